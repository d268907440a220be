"""Exact nearest neighbours: a fast search in single precision that never decides by its rounding.

A matrix product gives lower bounds of all squared distances, rounding errors taken off. Every point
whose lower bound does not exceed the upper bound of the best one is a candidate, mostly one alone,
and the distances of candidates are computed from the differences in double precision. Which point
wins, and its distance, are therefore those of an exhaustive search, digit for digit, and do not
depend on which other queries are asked.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
Singles = NDArray[np.float32]
Floats = NDArray[np.float64]

_BLOCK = 1 << 20
"""Numbers of a temporary array: 4 MB in single precision, 8 MB in double."""
_UNIT = 2.0**-24
"""Largest relative rounding error in single precision."""
_FAR = 1e9
"""Queries farther than this from the points (whose size is 1) are compared with all of them."""
_UNDERFLOW = 1e-30
"""What products lose below the smallest single-precision number, generously."""


def nearest(queries: NDArray[np.floating], points: NDArray[np.floating]) -> tuple[Indices, Floats]:
    """Return for each query the nearest point and its Euclidean distance.

    Args:
        queries: (Q, d), finite.
        points: (P, d), finite, P at least 1.

    Returns:
        Indices (Q,), of equally near points the lowest, and distances (Q,). Where all distances
        overflow, they are infinite and the point is any.

    Raises:
        ValueError: There is no point.
    """
    return NeighbourSearch(points).nearest(queries)


class NeighbourSearch:
    """Points prepared for searches.

    Args:
        points: (P, d) in single or double precision, finite.
    """

    @np.errstate(over="ignore", invalid="ignore")
    def __init__(self, points: NDArray[np.floating]) -> None:
        self.points = points
        doubles = points.astype(np.float64)
        # Centred, so that a common offset costs no digits; scaled, so that squares stay in range.
        self._centre = doubles.mean(axis=0) if len(points) else np.zeros(points.shape[1])
        doubles -= self._centre
        self._scale = float(np.abs(doubles).max(initial=0.0)) or 1.0
        doubles /= self._scale
        self._bound = 2 * (points.shape[1] + 16) * _UNIT
        norms = np.sqrt(np.einsum("ij,ij->i", doubles, doubles))
        self._norms = norms
        # query . row is |p|^2 - 2 q.p - bound (|p|^2 + 2 |q| |p|), a lower bound of
        # |q - p|^2 - |q|^2 but for bound |q|^2, which is the same for all points.
        squares = norms * norms * (1 - self._bound)
        columns = [-2 * doubles, -2 * self._bound * norms[:, None], squares[:, None]]
        self._rows: Singles = np.concatenate(columns, axis=1).astype(np.float32)

    @np.errstate(over="ignore", invalid="ignore")
    def nearest(
        self, queries: NDArray[np.floating], without: slice = slice(0, 0)
    ) -> tuple[Indices, Floats]:
        """Return for each query (Q, d) the nearest point and its distance, (Q,) each.

        Args:
            without: Points that do not count.

        Raises:
            ValueError: No point is left.
        """
        gap = _Gap(without.start, without.stop - without.start)
        left = len(self.points) - gap.size
        if left < 1:
            raise ValueError("there is no point to search")
        indices = np.empty(len(queries), dtype=np.int64)
        distances = np.empty(len(queries), dtype=np.float64)
        step = max(_BLOCK // left, 1)
        for start in range(0, len(queries), step):
            part = slice(start, start + step)
            indices[part], distances[part] = self._nearest(queries[part], gap)
        return indices, distances

    def _nearest(self, queries: NDArray[np.floating], gap: _Gap) -> tuple[Indices, Floats]:
        asked, norms = self._prepare(queries)
        lower = np.empty((len(queries), len(self.points) - gap.size), dtype=np.float32)
        np.matmul(asked, self._rows[: gap.start].T, out=lower[:, : gap.start])
        np.matmul(asked, self._rows[gap.start + gap.size :].T, out=lower[:, gap.start :])
        best = lower.argmin(axis=1)
        rows = np.arange(len(queries))
        slack = 2 * self._bound * (norms + self._norms[gap.points(best)]) ** 2 + _UNDERFLOW
        limits = np.nextafter((lower[rows, best] + slack).astype(np.float32), np.float32(np.inf))
        limits[norms > _FAR] = np.inf
        # What overflowed to NaN is a candidate. `flatnonzero` is much faster than `nonzero` here.
        hits = np.flatnonzero(~(lower > limits[:, None]))
        of_query, position = np.divmod(hits, lower.shape[1])
        return self._exact(queries, of_query, gap.points(position))

    def _prepare(self, queries: NDArray[np.floating]) -> tuple[Singles, Floats]:
        """Return queries to be multiplied with the rows (Q, d + 2), and their norms (Q,)."""
        scaled = (queries.astype(np.float64) - self._centre) / self._scale
        largest = np.abs(scaled).max(axis=1, initial=0.0)
        # A query that is too far is asked as 0; all points are candidates for it.
        scaled[largest > _FAR] = 0.0
        norms = np.sqrt(np.einsum("ij,ij->i", scaled, scaled))
        ones = np.ones((len(queries), 1))
        asked = np.concatenate([scaled, norms[:, None], ones], axis=1).astype(np.float32)
        norms[largest > _FAR] = np.inf
        return asked, norms

    def _exact(
        self, queries: NDArray[np.floating], of_query: Indices, candidates: Indices
    ) -> tuple[Indices, Floats]:
        """Return the nearest of each query's candidates; both lists are in ascending order."""
        distances = np.empty(len(candidates), dtype=np.float64)
        step = max(_BLOCK // max(queries.shape[1], 1), 1)
        for start in range(0, len(candidates), step):
            part = slice(start, start + step)
            # Rows contiguous, so that each is summed in the same order however many there are.
            away = queries[of_query[part]].astype(np.float64, order="C")
            away -= self.points[candidates[part]]
            away *= away
            distances[part] = np.sqrt(away.sum(axis=1))
        first = np.searchsorted(of_query, np.arange(len(queries)))
        smallest = np.minimum.reduceat(distances, first)
        hits = np.flatnonzero(distances == smallest[of_query])
        hits = hits[np.searchsorted(of_query[hits], np.arange(len(queries)))]
        return candidates[hits], smallest


@dataclass(frozen=True)
class _Gap:
    """Points from `start` on that are left out, and how those left are numbered."""

    start: int
    size: int

    def points(self, positions: Indices) -> Indices:
        """Return the points at positions among those left."""
        return positions + np.where(positions >= self.start, self.size, 0)
