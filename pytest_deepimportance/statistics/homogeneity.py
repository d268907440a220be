"""Do two samples come from one distribution? Pearson's chi-square test over categories."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.drift_results import ChiSquare

LEAST_EXPECTED = 5
"""Cells in which fewer rows are expected are pooled (the usual rule; Cochran, 1954)."""

Counts = NDArray[np.int64]


def chi_square(reference: Counts, new: Counts) -> ChiSquare:
    """Compare how often two samples show each category.

    Expected numbers come from both samples together, since the reference is a sample too. The
    categories in which either sample expects fewer than 5 rows are pooled into one cell; where that
    is still too small, the smallest of the other cells (of equals the first) joins it.

    Args:
        reference, new: Rows of each category, (C,) each.

    Returns:
        The statistic with cells - 1 degrees of freedom, and the chance of one as large or larger
        if both samples came from one distribution (asymptotic).
    """
    table = np.stack([reference, new]).astype(np.int64)
    table = table[:, table.sum(axis=0) > 0]
    cells, pooled = _pooled(table)
    if cells.shape[1] < 2 or not table.sum(axis=1).all():
        why = "fewer than two combinations are frequent enough to compare"
        return ChiSquare(None, 0, None, cells.shape[1], pooled, why)
    expected = _expected(cells)
    statistic = float(((cells - expected) ** 2 / expected).sum())
    dof = cells.shape[1] - 1
    from scipy.stats import chi2

    return ChiSquare(statistic, dof, float(chi2.sf(statistic, dof)), cells.shape[1], pooled)


def _pooled(table: Counts) -> tuple[Counts, int]:
    """Return the cells, the pooled one last, and how many categories went into it."""
    expected = _expected(table).min(axis=0)
    order = np.argsort(expected, kind="stable")
    rare = int((expected < LEAST_EXPECTED).sum())
    while 0 < rare < len(order) and expected[order[:rare]].sum() < LEAST_EXPECTED:
        rare += 1
    if not rare:
        return table, 0
    together = table[:, order[:rare]].sum(axis=1, keepdims=True)
    return np.concatenate([table[:, np.sort(order[rare:])], together], axis=1), rare


def _expected(table: Counts) -> NDArray[np.float64]:
    """Return the rows expected in each cell, (2, C), if the samples were of one distribution."""
    rows = table.sum(axis=1, keepdims=True, dtype=np.float64)
    found: NDArray[np.float64] = rows * table.sum(axis=0, keepdims=True) / max(rows.sum(), 1.0)
    return found
