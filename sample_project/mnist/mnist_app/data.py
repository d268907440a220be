"""MNIST through torchvision: where it lies, and whether it may be downloaded."""

from __future__ import annotations

import os
from pathlib import Path

from torchvision.datasets import MNIST
from torchvision.transforms import ToTensor


def find_root() -> Path | None:
    """Return the folder that holds MNIST/raw, or None when there is none.

    `IDC_DATA` names the folder above it ($IDC_DATA/mnist/MNIST/raw). With `IDC_DOWNLOAD=1`
    torchvision may fetch what is missing, into $IDC_DATA/mnist or else ./data/mnist.
    """
    root = Path(os.environ.get("IDC_DATA", "data")) / "mnist"
    return root if download_allowed() or (root / "MNIST" / "raw").is_dir() else None


def download_allowed() -> bool:
    """Return whether the user asked for a download."""
    return os.environ.get("IDC_DOWNLOAD") == "1"


def load_split(root: Path, *, train: bool) -> MNIST:
    """Return the 60,000 training or the 10,000 test images as (1, 28, 28) tensors in 0..1."""
    return MNIST(root, train=train, transform=ToTensor(), download=download_allowed())
