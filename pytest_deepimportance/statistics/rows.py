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


def first_occurrences(columns: NDArray[Any]) -> NDArray[np.bool_]:
    """Return for each row of (N, C) whether no earlier row equals it, (N,)."""
    first = np.zeros(len(columns), dtype=bool)
    first[np.unique(_groups_of(columns), return_index=True)[1]] = True
    return first


def openings(
    digests: NDArray[np.uint64], codes: NDArray[Any], visited: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the first row of each distinct input, and which of these shows something new.

    Args:
        digests: Content hash of each row, (N,).
        codes: What each row shows, (N, C).
        visited: Whether it shows anything, (N,).

    Returns:
        Ascending rows, (n,), and whether the codes of each are those of no earlier one, (n,).
    """
    rows = np.sort(np.unique(digests, return_index=True)[1])
    new = np.zeros(len(rows), dtype=bool)
    shows = visited[rows]
    new[shows] = first_occurrences(codes[rows][shows])
    return rows, new


def found_in(rows: NDArray[Any], others: NDArray[Any]) -> NDArray[np.bool_]:
    """Return for each row of (N, C) whether it occurs among `others`, (N,)."""
    groups = _groups_of(np.concatenate([rows, others]))
    hit = np.zeros(len(groups), dtype=bool)
    hit[groups[len(rows) :]] = True
    return np.asarray(hit[groups[: len(rows)]])


def places_in(rows: NDArray[Any], others: NDArray[Any]) -> NDArray[np.int64]:
    """Return for each of `others`, (n, C), its place among the distinct `rows`, -1: none, (n,)."""
    groups = _groups_of(np.concatenate([rows, others]))
    place = np.full(len(groups), -1, dtype=np.int64)
    place[groups[: len(rows)]] = np.arange(len(rows))
    return np.asarray(place[groups[len(rows) :]])


def _groups_of(columns: NDArray[Any]) -> NDArray[np.int64]:
    """Return a number for each row of (N, C) from 0: equal rows, equal numbers, (N,)."""
    order = sorted_order(columns)
    first = np.zeros(len(columns), dtype=np.int64)
    first[group_starts(columns[order])[1:]] = 1
    result = np.empty(len(columns), dtype=np.int64)
    result[order] = np.cumsum(first)
    return result
