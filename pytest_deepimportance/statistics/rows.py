"""Grouping of equal rows of small integers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def sorted_order(columns: NDArray[Any]) -> NDArray[np.int64]:
    """Return the stable order that sorts the rows of (N, C), the first column most significant."""
    return np.lexsort(columns.T[::-1]) if columns.shape[1] else np.arange(len(columns))


def group_starts(columns: NDArray[Any]) -> NDArray[np.int64]:
    """Return where each group of equal neighbouring rows of (N, C) begins, (G,)."""
    if not len(columns):
        return np.empty(0, dtype=np.int64)
    changes = (columns[1:] != columns[:-1]).any(axis=1)
    return np.concatenate([[0], np.flatnonzero(changes) + 1])


def unique_rows(columns: NDArray[Any]) -> NDArray[Any]:
    """Return the distinct rows of (N, C) in ascending order, (G, C)."""
    ordered = columns[sorted_order(columns)]
    return ordered[group_starts(ordered)]


def found_in(rows: NDArray[Any], others: NDArray[Any]) -> NDArray[np.bool_]:
    """Return for each row of (N, C) whether it occurs among `others`, (N,)."""
    both = np.concatenate([rows, others])
    order = sorted_order(both)
    starts = group_starts(both[order])
    group = np.zeros(len(both), dtype=np.int64)
    group[starts[1:]] = 1
    of_row = np.empty(len(both), dtype=np.int64)
    of_row[order] = np.cumsum(group)
    hit = np.zeros(len(starts), dtype=bool)
    hit[of_row[len(rows) :]] = True
    return np.asarray(hit[of_row[: len(rows)]])
