"""Centres: rows that lie further than a threshold from every centre before them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

_BLOCK = 256
"""Rows compared at a time with the centres so far, and then with each other."""

_LARGE = 1e15
"""Squares of larger numbers do not fit into single precision."""


class Centres:
    """The centres of one layer, grown row by row, exactly as the definition does it.

    Distances come from a matrix product in the rows' own precision; those that this leaves in
    doubt are computed again in float64, as the square root of the sum of squared differences.

    Args:
        threshold: A row further than this from every centre becomes one.
        squared: Compare the squared distance with the threshold.
        relative: Distances within this part of the rows' size of the threshold are counted as near
            the boundary; it is a matter of rounding on which side they fall.

    Attributes:
        near: Digests of rows whose distance to the nearest centre is near the threshold.
    """

    def __init__(self, threshold: float, squared: bool = False, relative: float = 0.0) -> None:
        self._threshold, self._squared, self._relative = threshold, squared, relative
        self._limit = math.sqrt(threshold) if squared else threshold
        self.near: set[int] = set()
        self._count = 0
        self._rows: Floats = np.empty((0, 0), dtype=np.float32)
        self._norms: NDArray[np.floating] = np.empty(0, dtype=np.float32)
        self._origin: Floats = np.empty(0, dtype=np.float32)

    def __len__(self) -> int:
        return self._count

    @property
    def rows(self) -> Floats:
        """The centres in the order in which they were found, (C, U)."""
        return self._rows[: self._count]

    def add(self, values: Floats, digests: NDArray[np.uint64]) -> None:
        """Take in rows (N, U) in their order; `digests` name them."""
        for start in range(0, len(values), _BLOCK):
            part = slice(start, start + _BLOCK)
            self._add_block(values[part], digests[part])

    def nearest(self, values: Floats) -> NDArray[np.int64]:
        """Return the nearest centre of each row (N, U), by the order in which they were found."""
        found = [
            self._squares(part, self.rows, self._norms[: self._count])[0].argmin(axis=1)
            for part in np.split(values, range(_BLOCK, len(values), _BLOCK))
        ]
        return np.concatenate([np.zeros(0, dtype=np.int64), *found])

    def merge(self, other: Centres) -> None:
        """Take in the centres of `other` in their order."""
        self.near |= other.near
        self.add(other.rows, np.empty(0, dtype=np.uint64))

    def restore(self, rows: Floats, near: NDArray[np.uint64]) -> None:
        """Replace everything by these centres."""
        self._count, self.near = 0, set(near.tolist())
        self._append(rows)

    def _add_block(self, values: Floats, digests: NDArray[np.uint64]) -> None:
        if np.abs(values).max(initial=0.0) > _LARGE:
            values = values.astype(np.float64)
        if self._rows.dtype != values.dtype and self._count:
            kind = np.promote_types(self._rows.dtype, values.dtype)
            known = self.rows.astype(kind)
            values, self._count = values.astype(kind), 0
            self._append(known)
        if not self._count:
            self._append(values[:1])
            values, digests = values[1:], digests[1:]
        away, nearest, near = self._away(values)
        open_rows = np.flatnonzero(away | near)
        if len(open_rows):
            self._settle(
                values[open_rows],
                away[open_rows],
                nearest[open_rows],
                digests[open_rows] if len(digests) else digests,
            )

    def _settle(
        self,
        values: Floats,
        away: NDArray[np.bool_],
        nearest: Floats,
        digests: NDArray[np.uint64],
    ) -> None:
        """Go through the rows that are no centres of earlier blocks' making, in their order.

        Args:
            away: Whether a row is far from all centres so far.
            nearest: Its squared distance to the nearest of them.
        """
        squares, error, size = self._squares(values, values, _norms(values - self._origin))
        far = self._far_from_each_other(values, squares, error)
        waiting = away.copy()
        chosen: list[int] = []
        for row in range(len(values)):
            if waiting[row]:
                chosen.append(row)
                waiting &= far[row]
        if len(digests) and chosen and self._relative:
            found = np.array(chosen)
            before = np.where(found < np.arange(len(values))[:, None], squares[:, found], np.inf)
            nearest = np.minimum(nearest, before.min(axis=1))
        if len(digests):
            self.near.update(digests[self._near(nearest, size)].tolist())
        self._append(values[chosen])

    def _append(self, rows: Floats) -> None:
        if not self._count:
            self._origin = rows[0].copy() if len(rows) else np.zeros(0, dtype=rows.dtype)
            self._rows = np.empty((64, rows.shape[1]), dtype=rows.dtype)
            self._norms = np.empty(64, dtype=rows.dtype)
        needed = self._count + len(rows)
        if needed > len(self._rows):
            size = max(needed, 2 * len(self._rows))
            self._rows = np.resize(self._rows, (size, self._rows.shape[1]))
            self._norms = np.resize(self._norms, size)
        part = slice(self._count, needed)
        self._rows[part] = rows
        self._norms[part] = _norms(rows - self._origin)
        self._count = needed

    def _away(self, values: Floats) -> tuple[NDArray[np.bool_], Floats, NDArray[np.bool_]]:
        """Compare rows with all centres.

        Returns:
            Whether each is further than the threshold from all of them, the squared distance to the
            nearest, and whether that is near the threshold, (N,) each.
        """
        centres = self.rows
        squares, error, size = self._squares(values, centres, self._norms[: self._count])
        nearest, limit = squares.min(axis=1), self._limit**2
        away: NDArray[np.bool_] = nearest > limit + error
        for row in np.flatnonzero(~away & (nearest >= limit - error)).tolist():
            close = np.flatnonzero(squares[row] <= limit + error[row])
            pairs = np.full(len(close), row)
            away[row] = bool(self._far(values[pairs], centres[close]).all())
        return away, nearest, self._near(nearest, size)

    def _near(self, nearest: Floats, size: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Return which squared distances lie within rounding of the threshold, (N,)."""
        distance = np.sqrt(np.maximum(nearest, 0.0))
        room = self._relative * size
        return np.asarray((np.abs(distance - self._limit) <= room) & (room > 0))

    def _far_from_each_other(
        self, values: Floats, squares: Floats, error: NDArray[np.floating]
    ) -> NDArray[np.bool_]:
        """Return for each pair of rows whether it is further apart than the threshold, (N, N)."""
        limit = self._limit**2
        far: NDArray[np.bool_] = squares > limit
        first, second = np.nonzero(np.abs(squares - limit) <= error[:, None])
        far[first, second] = self._far(values[first], values[second])
        far[np.arange(len(values)), np.arange(len(values))] = False
        return far

    def _squares(
        self, values: Floats, centres: Floats, norms: Floats
    ) -> tuple[Floats, NDArray[np.floating], NDArray[np.floating]]:
        """Return squared distances (N, C), how wrong they may be (N,), and the sizes (N,)."""
        shifted = values - self._origin
        own = _norms(shifted)
        squares = shifted @ (centres - self._origin).T
        squares *= -2
        squares += norms
        squares += own[:, None]
        # Rounding of a sum of U products, and of the differences that went into it.
        size = np.sqrt(own) + math.sqrt(float(norms.max()))
        raw = float(np.abs(values).max(initial=0.0) + np.abs(self._origin).max(initial=0.0))
        kind = np.finfo(squares.dtype)
        error = float(kind.eps) * ((values.shape[1] + 8) * size**2 + 8 * raw * size)
        return squares, error + values.shape[1] * float(kind.tiny), size

    def _far(self, values: Floats, centres: Floats) -> NDArray[np.bool_]:
        """Return for each pair of rows whether it is further apart than the threshold, exactly."""
        difference = centres.astype(np.float64) - values
        exact = np.einsum("cu,cu->c", difference, difference)
        return np.asarray((exact if self._squared else np.sqrt(exact)) > self._threshold)


def _norms(rows: Floats) -> Floats:
    """Return the squared length of each row, (N,)."""
    return np.asarray(np.einsum("nu,nu->n", rows, rows))
