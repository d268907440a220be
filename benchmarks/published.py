"""Published numbers that `users_tables.py` prints beside its own; percentages unless counts.

They were measured once with throw-away code on the same models and images, with other random draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MNIST_SIZES = (50, 200, 1000, 3000, 10000)
MNIST: dict[str, Any] = {
    # IDC of random subsets of MNIST_SIZES, and of 3,000 images of the digits 0-4, by m
    "idc": {
        6: (24, 43, 67, 78, 87.5, 62.5),
        8: (5.5, 12.9, 27.7, 41.2, 56.6, 23.8),
        12: (0.2, 0.6, 1.7, 3.2, 5.7, 1.8),
    },
    # share of 1,000 random images, by m
    "share": {6: 98.8, 8: 93.0, 10: 86.2, 12: 77.5},
    # 1,000 images without 7, 8, 9: IDC at m=6, share at m=8, share of each class at m=8
    "without_789": (52, 74, 97, 98, 96, 91, 97, 92, 99, 16, 39, 18),
}

CIFAR10_SIZES = (100, 300, 1000, 3000)


@dataclass(frozen=True)
class CifarRow:
    """One row: total is a count; of_reached and share are for CIFAR10_SIZES."""

    total: int
    reach: float
    full: float
    of_reached: tuple[int, ...]
    share: tuple[int, ...]


CIFAR10 = {
    3: CifarRow(16, 100, 100, (59, 73, 90, 98), (98, 99, 100, 100)),
    4: CifarRow(64, 62, 54.7, (39, 52, 68, 78), (95, 98, 99, 100)),
    6: CifarRow(1024, 25, 18.0, (17, 29, 43, 55), (76, 90, 97, 99)),
    8: CifarRow(8192, 9, 5.9, (8, 16, 28, 43), (57, 76, 90, 96)),
    10: CifarRow(49152, 4, 2.2, (4, 8, 18, 31), (43, 61, 78, 89)),
}
