"""The paper's networks and MNIST, read from the shared folder when it is there."""

from __future__ import annotations

import gzip
import json
import os
from collections import OrderedDict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

SHARED = Path(os.environ.get("IDC_SHARED", Path(__file__).parents[3] / "shared"))


def shared(*parts: str) -> Path:
    """Return a path of the shared folder, or skip the test when it is not on this machine."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"needs {path} (set IDC_SHARED)")
    return path


@cache
def mnist(split: str) -> tuple[Tensor, Tensor]:
    """Return MNIST images (N, 1, 28, 28) in [0, 1] and labels (N,)."""
    prefix = {"train": "train", "test": "t10k"}[split]
    folder = shared("data", "mnist", "MNIST", "raw")

    def read(name: str, offset: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
        raw = gzip.decompress((folder / f"{prefix}-{name}.gz").read_bytes())
        return np.frombuffer(raw, np.uint8, offset=offset)

    images = read("images-idx3-ubyte", 16).reshape(-1, 1, 28, 28)
    labels = read("labels-idx1-ubyte", 8)
    return torch.from_numpy(images / np.float32(255)), torch.from_numpy(labels.astype(np.int64))


def lenet(name: str, weights: bool = True) -> nn.Sequential:
    """Return LeNet-1 or LeNet-5 of the DeepImportance paper (shared/data/models/README.md)."""
    parts: list[tuple[str, nn.Module]]
    if name == "lenet1":
        parts = [
            ("conv1", nn.Conv2d(1, 4, 5)), ("relu1", nn.ReLU()), ("pool1", nn.MaxPool2d(2)),
            ("conv2", nn.Conv2d(4, 12, 5)), ("relu2", nn.ReLU()), ("pool2", nn.MaxPool2d(2)),
            ("flatten", nn.Flatten()), ("fc1", nn.Linear(192, 10)),
        ]  # fmt: skip
    else:
        parts = [
            ("conv1", nn.Conv2d(1, 6, 5)), ("relu1", nn.ReLU()), ("pool1", nn.MaxPool2d(2)),
            ("conv2", nn.Conv2d(6, 16, 5)), ("relu2", nn.ReLU()), ("pool2", nn.MaxPool2d(2)),
            ("flatten", nn.Flatten()),
            ("fc1", nn.Linear(256, 120)), ("relu3", nn.ReLU()),
            ("fc2", nn.Linear(120, 84)), ("relu4", nn.ReLU()), ("fc3", nn.Linear(84, 10)),
        ]  # fmt: skip
    model = nn.Sequential(OrderedDict(parts)).eval()
    if weights:
        path = shared("data", "models", f"deepimportance_{name}_mnist.pt")
        model.load_state_dict(torch.load(path, weights_only=True))
    return model


@cache
def expected() -> dict[str, Any]:
    """Return the integers of shared/oracles/idc."""
    result: dict[str, Any] = json.loads(shared("oracles", "idc", "expected_idc.json").read_text())
    return result


@cache
def expected_arrays() -> Any:
    """Return the arrays of shared/oracles/idc."""
    return np.load(shared("oracles", "idc", "expected_idc.npz"), allow_pickle=False)
