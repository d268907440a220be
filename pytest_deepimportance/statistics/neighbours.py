"""Exact nearest neighbours: a fast search in single precision that never decides by its rounding.

A matrix product gives lower bounds of all squared distances (see `lower_bounds`). Every point whose
lower bound does not exceed the distance of the best one is a candidate, mostly one of a few, and
the distances of candidates are computed from the differences in double precision. Which point
wins, and its distance, are therefore those of an exhaustive search, digit for digit, and do not
depend on which other queries are asked.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.statistics.lower_bounds import Gap, LowerBounds, main_directions

Indices = NDArray[np.int64]
Floats = NDArray[np.float64]

_BLOCK = 1 << 20
"""Numbers of a temporary array: 4 MB in single precision, 8 MB in double."""
_FAR = 1e9
"""Queries farther than this from the points (whose size is 1) are compared with all of them."""
_MANY = 32
"""Candidates of a query, on average, that are too many to compute: all directions are asked."""


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
        self._norms = _lengths(doubles)
        directions = main_directions(doubles)
        self._rough = None if directions is None else LowerBounds(doubles, self._norms, directions)

    @cached_property
    def _fine(self) -> LowerBounds:
        scaled = (self.points.astype(np.float64) - self._centre) / self._scale
        return LowerBounds(scaled, self._norms)

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
        gap = Gap(without.start, without.stop - without.start)
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

    def _nearest(self, queries: NDArray[np.floating], gap: Gap) -> tuple[Indices, Floats]:
        scaled, norms = self._prepare(queries)
        if self._rough is not None:
            hits = self._candidates(self._rough, queries, scaled, norms, gap)
            if len(hits) > _MANY * len(queries):
                self._rough = None  # nor would it help the queries to come
        if self._rough is None:
            hits = self._candidates(self._fine, queries, scaled, norms, gap)
        of_query, position = np.divmod(hits, len(self.points) - gap.size)
        return self._exact(queries, of_query, gap.points(position))

    def _prepare(self, queries: NDArray[np.floating]) -> tuple[Floats, Floats]:
        """Return queries in the scale of the points (Q, d), and their lengths (Q,)."""
        scaled = (queries.astype(np.float64) - self._centre) / self._scale
        # A query that is too far is asked as 0; all points are candidates for it.
        far = np.abs(scaled).max(axis=1, initial=0.0) > _FAR
        scaled[far] = 0.0
        norms = _lengths(scaled)
        norms[far] = np.inf
        return scaled, norms

    def _candidates(
        self,
        bounds: LowerBounds,
        queries: NDArray[np.floating],
        scaled: Floats,
        norms: Floats,
        gap: Gap,
    ) -> Indices:
        """Return query x points left + point of all pairs that may be nearest, ascending."""
        far = np.isinf(norms)
        lower = bounds.of(scaled, np.where(far, 0.0, norms), gap)
        best = gap.points(lower.argmin(axis=1))
        squares = (self._distances(queries, best) / self._scale) ** 2
        limits = bounds.limits(squares, norms, best)
        limits[far] = np.inf
        # What overflowed to NaN is a candidate. `flatnonzero` is much faster than `nonzero` here.
        return np.flatnonzero(~(lower > limits[:, None]))

    def _exact(
        self, queries: NDArray[np.floating], of_query: Indices, candidates: Indices
    ) -> tuple[Indices, Floats]:
        """Return the nearest of each query's candidates; both lists are in ascending order."""
        distances = np.empty(len(candidates), dtype=np.float64)
        step = max(_BLOCK // max(queries.shape[1], 1), 1)
        for start in range(0, len(candidates), step):
            part = slice(start, start + step)
            distances[part] = self._distances(queries[of_query[part]], candidates[part])
        first = np.searchsorted(of_query, np.arange(len(queries)))
        smallest = np.minimum.reduceat(distances, first)
        hits = np.flatnonzero(distances == smallest[of_query])
        hits = hits[np.searchsorted(of_query[hits], np.arange(len(queries)))]
        return candidates[hits], smallest

    def _distances(self, queries: NDArray[np.floating], points: Indices) -> Floats:
        """Return the distance of each query (Q, d) to a point of its own (Q,), (Q,)."""
        # Rows contiguous, so that each is summed in the same order however many there are.
        away = queries.astype(np.float64, order="C")
        away -= self.points[points]
        away *= away
        return np.asarray(np.sqrt(away.sum(axis=1)))


def _lengths(rows: Floats) -> Floats:
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", rows, rows)))
