"""Rows by class: which rows of a batch belong to which class."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def by_class(classes: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield each class that occurs, ascending, with the indices of its rows, ascending."""
    if len(classes):
        order = np.argsort(classes, kind="stable")
        found, starts = np.unique(classes[order], return_index=True)
        yield from zip(found.tolist(), np.split(order, starts[1:]), strict=True)
