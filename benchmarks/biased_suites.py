"""Test suites that are honest, or biased in a known way: what `gates.py` draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Rows = NDArray[np.int64]

TURN = 30
"""Degrees by which the turned tenth of the images is turned."""


@dataclass(frozen=True)
class Pool:
    """Test inputs that suites are drawn from: class, prediction, and two modes inside a class."""

    labels: Rows
    predicted: Rows
    turned: NDArray[np.bool_]
    dark: NDArray[np.bool_]

    def biases(self) -> dict[str, NDArray[np.bool_]]:
        """Return by name which inputs such a suite may hold."""
        return {
            "one class missing": self.labels != 7,
            "five classes missing": self.labels < 5,
            "one class without its dark half": ~((self.labels == 3) & self.dark),
            "one class without turned images": ~((self.labels == 3) & self.turned),
            "no turned images": ~self.turned,
        }


def turned(images: Tensor) -> Tensor:
    """Return the images turned by `TURN` degrees, by bilinear sampling."""
    angle = torch.tensor(float(np.deg2rad(TURN)))
    turn = torch.tensor([[angle.cos(), -angle.sin(), 0], [angle.sin(), angle.cos(), 0]])
    grid = nn.functional.affine_grid(
        turn.expand(len(images), 2, 3), list(images.shape), align_corners=False
    )
    return nn.functional.grid_sample(images, grid, align_corners=False)


def prepare(images: Tensor, labels: Tensor, seed: int) -> tuple[Tensor, Tensor, NDArray[np.bool_]]:
    """Turn a random tenth of the images; return images, labels and which were turned."""
    chosen = torch.rand(len(images), generator=torch.Generator().manual_seed(seed)) < 0.1
    images = images.clone()
    images[chosen] = turned(images[chosen])
    return images, labels, chosen.numpy()


def darkest_half(images: Tensor, labels: Tensor) -> NDArray[np.bool_]:
    """Return which images are darker than the median of their class."""
    light, result = images.mean((1, 2, 3)), torch.zeros(len(images), dtype=torch.bool)
    for label in labels.unique():
        own = labels == label
        result |= own & (light < light[own].median())
    return result.numpy()


def suites(pool: Pool, size: int, draws: int, seed: int) -> dict[str, list[Rows]]:
    """Return suites by bias; duplicated: each input of a tenth of the size ten times."""
    generator = np.random.default_rng(seed)
    every = np.arange(len(pool.labels))
    found = {"honest": [generator.choice(every, size, replace=False) for _ in range(draws)]}
    for name, kept in pool.biases().items():
        rows = np.flatnonzero(kept)
        if len(rows) >= size:
            found[name] = [generator.choice(rows, size, replace=False) for _ in range(draws)]
    found["each input ten times"] = [
        generator.choice(every, size // 10, replace=False) for _ in range(draws)
    ]
    return found
