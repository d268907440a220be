"""Choosing inputs by the items they add to what is covered already."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.statistics.incidence import Incidence, Indices, RowItems


def without_covered(table: Incidence, suite: Indices, pool: Indices) -> Incidence:
    """Return the table of the pool's rows with the items that no row of the suite covers.

    Args:
        suite, pool: Rows of the table; the result has the pool's, in their order.
    """
    covered = np.zeros(len(table.keys), dtype=bool)
    covered[table.select(suite).indices] = True
    part = table.select(pool)
    new = ~covered[part.indices]
    rows = np.repeat(np.arange(len(pool)), np.diff(part.indptr))[new]
    items = table.keys[part.indices[new]]
    return Incidence.joined([RowItems.of(rows, items, len(pool))], table.total)


def ranked(table: Incidence, preference: Indices, count: int) -> tuple[Indices, Indices]:
    """Return `count` rows of a table and what each adds, greedily; then rows that add nothing.

    Args:
        table: Items that are still open, one row for each candidate.
        preference: All rows, the most wanted first: it decides between rows that add equally many
            items, and is the order of those that add none.
    """
    rows, gains = Incidence(table.select(preference), table.keys, table.total).greedy(count)
    chosen = preference[rows]
    rest = preference[~np.isin(preference, chosen)][: max(count - len(chosen), 0)]
    zeros = np.zeros(len(rest), dtype=np.int64)
    return np.concatenate([chosen, rest]), np.concatenate([gains, zeros])


def preference(*keys: NDArray[np.floating] | NDArray[np.integer]) -> Indices:
    """Return the rows in ascending order of the keys, the first most significant; NaN last."""
    return np.lexsort(keys[::-1]).astype(np.int64)
