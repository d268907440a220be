"""Lower bounds of squared distances: one product in single precision, rounding errors taken off.

Wide rows are told by fewer numbers first: by their coordinates along a few directions in which the
points spread most, and the length of what is left. Those of q and p differ by no more than q and p
do, since |rest of q - rest of p| >= ||rest of q| - |rest of p||.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
Singles = NDArray[np.float32]
Floats = NDArray[np.float64]

DIRECTIONS = 24
"""Along so many directions wide rows are told first; below twice as many neurons none are wide."""
_SAMPLE = 1024
"""Points that the directions are found from: they decide how much is compared, never the result."""
_ROUNDS = 2
_UNIT = 2.0**-24
"""Largest relative rounding error in single precision."""
_UNDERFLOW = 1e-30
"""What products lose below the smallest single-precision number, generously."""


@dataclass(frozen=True)
class Gap:
    """Points from `start` on that are left out, and how those left are numbered."""

    start: int
    size: int

    def points(self, positions: Indices) -> Indices:
        """Return the points at positions among those left."""
        return positions + np.where(positions >= self.start, self.size, 0)


class LowerBounds:
    """Points prepared for bounds of their distances to queries.

    Args:
        points: (P, d), of a size around 1 and centred, so that squares keep their digits.
        norms: Their lengths, (P,).
        directions: Orthonormal (d, r) to tell rows by (see `main_directions`); None: all of them.
    """

    def __init__(self, points: Floats, norms: Floats, directions: Floats | None = None) -> None:
        self._directions, self._norms = directions, norms
        told = self._told(points, norms)
        self._bound = 2 * (told.shape[1] + 16) * _UNIT
        # query . row is |p|^2 - 2 q.p - bound (|p|^2 + 2 |q| |p|), a lower bound of
        # |q - p|^2 - |q|^2 but for bound |q|^2, which is the same for all points.
        squares = norms * norms * (1 - self._bound)
        columns = [-2 * told, -2 * self._bound * norms[:, None], squares[:, None]]
        self._rows: Singles = np.concatenate(columns, axis=1).astype(np.float32)

    def of(self, queries: Floats, norms: Floats, gap: Gap) -> Singles:
        """Return a lower bound of |q - p|^2 - |q|^2 for each query and point, (Q, P - gap)."""
        ones = np.ones((len(queries), 1))
        columns = [self._told(queries, norms), norms[:, None], ones]
        asked = np.concatenate(columns, axis=1).astype(np.float32)
        lower = np.empty((len(queries), len(self._rows) - gap.size), dtype=np.float32)
        np.matmul(asked, self._rows[: gap.start].T, out=lower[:, : gap.start])
        np.matmul(asked, self._rows[gap.start + gap.size :].T, out=lower[:, gap.start :])
        return lower

    def limits(self, squares: Floats, norms: Floats, points: Indices) -> Singles:
        """Return what the bounds of nearer points do not exceed, (Q,).

        Args:
            squares: Squared distance of each query to some point, (Q,).
            norms: Lengths of the queries, (Q,).
            points: Which points these are, (Q,).
        """
        slack = 2 * self._bound * (norms + self._norms[points]) ** 2 + _UNDERFLOW
        limits = (squares - norms**2 + slack).astype(np.float32)
        return np.asarray(np.nextafter(limits, np.float32(np.inf)))

    def _told(self, rows: Floats, norms: Floats) -> Floats:
        if self._directions is None:
            return rows
        along = rows @ self._directions
        rest = norms * norms - np.einsum("nr,nr->n", along, along)
        return np.concatenate([along, np.sqrt(np.maximum(rest, 0.0))[:, None]], axis=1)


def main_directions(points: Floats) -> Floats | None:
    """Return orthonormal directions in which points (P, d) spread most, (d, r); None if no use."""
    sample = points[:: max(len(points) // _SAMPLE, 1)]
    if points.shape[1] < 2 * DIRECTIONS or len(sample) < DIRECTIONS:
        return None
    # Subspace iteration: whatever the width, no decomposition of a (d, d) matrix is needed.
    found = sample[:DIRECTIONS].T
    for _ in range(_ROUNDS):
        found = np.linalg.qr(sample.T @ (sample @ found))[0]
    return found if np.isfinite(found).all() else None
