"""A user's project in a folder of its own, and the networks that the loading tests share."""

from __future__ import annotations

import itertools
import textwrap
from pathlib import Path

import torch
from torch import nn

_NUMBERS = itertools.count()

SOURCE = """
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, size=4):
        super().__init__()
        self.conv = nn.Conv2d(1, size, 3)
        self.bn = nn.BatchNorm2d(size)

    def forward(self, x):
        return torch.relu(self.bn(self.conv(x)))


class Classifier(nn.Module):
    def __init__(self, classes=3):
        super().__init__()
        self.block = Block()
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(4 * 36, classes)

    def forward(self, x):
        return self.fc(self.drop(self.block(x).flatten(1)))


def build():
    return Classifier()
"""


class Project:
    """A package with a name that no other test uses, in `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.package = f"shop{next(_NUMBERS)}"
        self.write("model.py", SOURCE)

    def write(self, name: str, source: str) -> Path:
        file = self.root / self.package / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(source))
        return file

    def spec(self, name: str, module: str = "model") -> str:
        return f"{self.package}.{module}:{name}"

    def network(self) -> nn.Module:
        from pytest_deepimportance.data.importing import import_object

        torch.manual_seed(0)
        built = import_object(self.spec("build"), "factory", root=self.root)()
        assert isinstance(built, nn.Module)
        return built


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    left, right = one.state_dict(), other.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)
