"""How far apart rows lie."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def median_spacing(rows: NDArray[np.floating]) -> float:
    """Return the median Euclidean distance between a row and its nearest other row.

    Args:
        rows: (N, U), a few thousand at most: all pairs are compared. Fewer than two give 0.
    """
    if len(rows) < 2:
        return 0.0
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    norms = np.einsum("nu,nu->n", centred, centred)
    squares = norms[:, None] + norms - 2 * (centred @ centred.T)
    np.fill_diagonal(squares, np.inf)
    nearest = squares.argmin(axis=1)
    # Of the nearest the distance is computed again: the product leaves nothing of small ones.
    return float(np.median(np.linalg.norm(centred - centred[nearest], axis=1)))
