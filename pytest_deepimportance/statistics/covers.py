"""How many sets every cover needs at least: what a small subset is held against.

A price for each item such that no set holds items of more than 1 together: as many sets as all
prices add up to are needed (weak duality of set cover; Vazirani, Approximation Algorithms, 2001,
chapter 13). The best prices are a linear program.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

_LARGEST = 50_000
"""Entries of a table up to which the linear program is solved (a second at most)."""

_ROUNDING = 1e-6


def fewest(table: csr_array) -> int:
    """Return a number of lines below which no choice of lines covers every column.

    Args:
        table: (S, P) booleans, sparse: whether set s holds item p; each item is in some set.
    """
    alone = np.bincount(table.indices, minlength=table.shape[1]) == 1
    needed = np.flatnonzero(table[:, np.flatnonzero(alone)].sum(axis=1))
    covered = np.zeros(table.shape[1], dtype=bool)
    covered[table[needed].indices] = True
    rest = _distinct(table[:, np.flatnonzero(~covered)])
    return len(needed) + math.ceil(_prices(rest) - _ROUNDING)


def _distinct(table: csr_array) -> csr_array:
    """Return the table with one of the columns that are in the same sets."""
    weights = np.random.default_rng(0).integers(0, 1 << 63, table.shape[0], dtype=np.uint64)
    entries = np.repeat(weights, np.diff(table.indptr))
    hashes = np.zeros(table.shape[1], dtype=np.uint64)
    np.add.at(hashes, table.indices, entries)
    # Should two different columns ever hash alike, one is left out: the number only gets smaller.
    kept = table[:, np.unique(hashes, return_index=True)[1]]
    return kept[np.flatnonzero(np.diff(kept.indptr))]


def _prices(table: csr_array) -> float:
    """Return the sum of prices that no set exceeds."""
    if not table.nnz:
        return 0.0
    found = [_simple(table)]
    if table.nnz <= _LARGEST:
        found.append(_best(table))
    # Rounding of the solver must not make a set cost more than 1.
    return max(float(p.sum()) / max(1.0, float((table @ p).max())) for p in found)


def _simple(table: csr_array) -> NDArray[np.float64]:
    """Return for each item 1 / the size of the largest set that holds it, (P,)."""
    sizes = np.diff(table.indptr)
    largest = np.zeros(table.shape[1])
    np.maximum.at(largest, table.indices, np.repeat(sizes, sizes))
    return 1 / largest


def _best(table: csr_array) -> NDArray[np.float64]:
    """Return the prices with the largest sum, (P,); 0 where the solver gives up."""
    from scipy.optimize import linprog

    sets, items = table.shape
    solved = linprog(
        -np.ones(items), A_ub=table.astype(float), b_ub=np.ones(sets), bounds=(0, None)
    )
    return np.maximum(solved.x, 0) if solved.x is not None else np.zeros(items)
