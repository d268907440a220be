"""A folder with a model and data, as the command line names them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pytest_deepimportance.cli.main import main
from tests.profile.builders import Mlp

MODULE = """
import torch
from torch import nn
from tests.profile.builders import Mlp, rows


def net():
    return Mlp()


def other():
    return Mlp(seed=5)


def half():
    return Mlp().half()


def nothing_hidden():
    return nn.Linear(4, 3)


def reader(positions=12):
    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.places = nn.Embedding(9, 4), nn.Embedding(positions, 4)
            self.fc, self.out = nn.Linear(4, 6), nn.Linear(6, 2)

        def forward(self, ids):
            x = self.words(ids) + self.places(torch.arange(ids.shape[1]))
            return self.out(torch.relu(self.fc(x.mean(1))))
    return Reader()


def picky():
    class Picky(nn.Module):
        def forward(self, x):
            raise ValueError("never the right shape")
    return Picky()


def train():
    return rows(200, wrong=10)


def shifted():
    x, y = train()
    return x, y + 7
"""

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "app.py").write_text(MODULE)
    torch.save(Mlp().state_dict(), tmp_path / "net.pth")
    return tmp_path


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str, str]:
        try:
            code = main(arguments)
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return call
