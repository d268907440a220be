"""The data: scikit-learn's handwritten digits (1,797 real 8 x 8 images, part of the package)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch.nn import functional

REFERENCE_PER_DIGIT = 130
"""Images of each digit that the network was trained on; all others are test images."""


def split() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the row numbers of the 1,300 reference (training) and the 497 test images."""
    labels = load_digits().target
    random = np.random.RandomState(0)  # the one numpy generator whose stream never changes
    chosen = [
        random.permutation(np.flatnonzero(labels == digit))[:REFERENCE_PER_DIGIT]
        for digit in range(10)
    ]
    reference = np.sort(np.concatenate(chosen))
    return reference, np.setdiff1d(np.arange(len(labels)), reference)


def load_reference() -> tuple[torch.Tensor, torch.Tensor]:
    """Return the training images (1300, 1, 8, 8), pixels in 0..1, and their labels (1300,)."""
    return _rows(split()[0])


def load_test() -> tuple[torch.Tensor, torch.Tensor]:
    """Return the test images (497, 1, 8, 8) and their labels (497,)."""
    return _rows(split()[1])


def _rows(rows: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
    digits = load_digits()
    images = torch.from_numpy(digits.images[rows] / 16).float().unsqueeze(1)
    return images, torch.from_numpy(digits.target[rows]).long()


def shift(images: torch.Tensor, right: int = 0, down: int = 0) -> torch.Tensor:
    """Move (N, 1, H, W) images by one pixel at most; what comes in at the border is 0."""
    if max(abs(right), abs(down)) > 1:
        raise ValueError(f"shift by at most one pixel, not by right={right}, down={down}")
    height, width = images.shape[-2:]
    padded = functional.pad(images, (1, 1, 1, 1))
    return padded[..., 1 - down : 1 - down + height, 1 - right : 1 - right + width]


def add_noise(images: torch.Tensor, sigma: float, seed: int) -> torch.Tensor:
    """Add Gaussian noise of standard deviation `sigma` and clip to 0..1; same seed, same noise."""
    generator = torch.Generator().manual_seed(seed)
    return (images + sigma * torch.randn(images.shape, generator=generator)).clamp(0, 1)
