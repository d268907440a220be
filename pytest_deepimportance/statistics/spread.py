"""Covariance of a layer's neurons, as rows while these are fewer than the neurons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Spread:
    """Mean and scatter matrix of streamed rows; parts are joined by Chan's rule, in float64.

    Until there are as many rows as neurons the rows themselves are kept, which are smaller: a test
    with one input should not carry a matrix of all pairs of neurons.

    Args:
        width: Neurons U.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._pending: list[NDArray[np.floating]] = []
        self._waiting = 0
        self._rows = 0
        self._mean = np.zeros(0)
        self._scatter = np.zeros((0, 0))

    @property
    def rows(self) -> int:
        """Rows taken in."""
        return self._rows + self._waiting

    def add(self, values: NDArray[np.floating]) -> None:
        """Take in rows, (N, U)."""
        if not len(values):
            return
        self._pending.append(np.array(values))
        self._waiting += len(values)
        if self._waiting >= self._width:
            self._fold()

    def merge(self, other: Spread) -> None:
        """Take in everything that `other` has taken in."""
        for values in other._pending:
            self.add(values)
        if other._rows:
            self._join(other._rows, other._mean, other._scatter)

    def _fold(self) -> None:
        for values in self._pending:
            mean = values.mean(axis=0, dtype=np.float64)
            away = values - mean
            self._join(len(values), mean, away.T @ away)
        self._pending, self._waiting = [], 0

    def _join(self, rows: int, mean: NDArray[np.float64], scatter: NDArray[np.float64]) -> None:
        if not self._rows:
            self._rows, self._mean, self._scatter = rows, mean.copy(), scatter.copy()
            return
        total = self._rows + rows
        away = mean - self._mean
        self._scatter += scatter
        self._scatter += np.outer(away, away) * (self._rows * rows / total)
        self._mean = self._mean + away * (rows / total)
        self._rows = total

    def covariance(self) -> NDArray[np.float64]:
        """Return the population covariance, (U, U); zeros without rows."""
        whole = Spread(self._width)
        whole.merge(self)
        whole._fold()
        if not whole._rows:
            return np.zeros((self._width, self._width))
        return whole._scatter / whole._rows

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return arrays that `from_arrays` reads back."""
        kept = self._pending or [np.zeros((0, self._width), dtype=np.float32)]
        return {
            "pending": np.concatenate(kept),
            "rows": np.array([self._rows], dtype=np.int64),
            "mean": self._mean,
            "scatter": self._scatter,
        }

    @classmethod
    def from_arrays(cls, width: int, arrays: Mapping[str, NDArray[Any]]) -> Spread:
        """Rebuild from `to_arrays` data."""
        spread = cls(width)
        if len(arrays["pending"]):
            spread._pending = [arrays["pending"]]
            spread._waiting = len(arrays["pending"])
        spread._rows = int(arrays["rows"][0])
        spread._mean, spread._scatter = arrays["mean"], arrays["scatter"]
        return spread
