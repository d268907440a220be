"""Fixtures of the MNIST example. Every test skips, with the reason, when there is no MNIST."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mnist_app.data import find_root, load_split
from mnist_app.model import MnistLeNet, load_classifier
from torch.utils.data import DataLoader
from torchvision.datasets import MNIST

WEIGHTS = Path(__file__).resolve().parents[2] / "fixtures" / "mnist_lenet5.safetensors"


@pytest.fixture(scope="session")
def mnist_root() -> Path:
    """The folder that holds MNIST/raw."""
    root = find_root()
    if root is None:
        pytest.skip("no MNIST: set IDC_DATA (see README.md), or IDC_DOWNLOAD=1 to fetch it")
    return root


@pytest.fixture(scope="session")
def idc_reference(mnist_root: Path) -> MNIST:
    """Overrides the plugin's fixture: the 60,000 training images are the reference."""
    return load_split(mnist_root, train=True)


@pytest.fixture(scope="session")
def classifier() -> MnistLeNet:
    """The trained network."""
    return load_classifier(WEIGHTS)


@pytest.fixture(scope="session")
def predictions(mnist_root: Path, classifier: MnistLeNet) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (1000, 10) and labels (1000,) of the first 1,000 test images."""
    loader = DataLoader(load_split(mnist_root, train=False), batch_size=250)
    logits, labels = [], []
    with torch.no_grad():
        for _, (images, truth) in zip(range(4), loader, strict=False):
            logits.append(classifier(images))
            labels.append(truth)
    return torch.cat(logits), torch.cat(labels)
