"""The most active neurons of a layer, row by row; what TKNC and TKNP share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.data.activations import ActivationBatch

Ranks = tuple[NDArray[np.int64], NDArray[np.floating]]

_FEW = 12
"""Up to so many ranks are found one by one, more by sorting."""


def most_active(batch: ActivationBatch, layer: str, count: int) -> Ranks:
    """Return neurons and values of the `count` most active ones, (N, min(count, U)) both.

    The most active first; of equal values the neuron with the lowest index first, on any device.
    """
    count = min(count, batch.width(layer))
    ranking: _Ranking | None = batch.memo.get(("ranking", layer))
    if ranking is None:
        ranking = batch.memo["ranking", layer] = _Ranking(batch.view(layer))
    return ranking.first(count)


class _Ranking:
    """The neurons of each row, the most active first, as far as they were asked for.

    Args:
        values: (N, U).
    """

    def __init__(self, values: NDArray[np.floating]) -> None:
        self._rest = values.copy()
        self._places = np.arange(len(values)) * values.shape[1]
        self._neurons = np.empty((0, len(values)), dtype=np.int64)
        self._values = np.empty((0, len(values)), dtype=values.dtype)
        self._sorted: Ranks | None = None

    def first(self, count: int) -> Ranks:
        """Return the first ranks, (N, count) both."""
        known = len(self._neurons)
        if self._sorted is None and count > _FEW:
            self._sort()
        if self._sorted is not None:
            return self._sorted[0][:, :count], self._sorted[1][:, :count]
        if known < count:
            self._find(count - known)
        return self._neurons[:count].T, self._values[:count].T

    def _find(self, more: int) -> None:
        """Find further ranks one by one: each is the largest of those that are left."""
        neurons = np.empty((more, len(self._places)), dtype=np.int64)
        values = np.empty(neurons.shape, dtype=self._values.dtype)
        flat = self._rest.reshape(-1)
        for rank in range(more):
            self._rest.argmax(axis=1, out=neurons[rank])
            at = self._places + neurons[rank]
            flat.take(at, out=values[rank])
            flat[at] = -np.inf
        self._neurons = np.concatenate([self._neurons, neurons])
        self._values = np.concatenate([self._values, values])

    def _sort(self) -> None:
        for neurons, values in zip(self._neurons, self._values, strict=True):
            self._rest.reshape(-1)[self._places + neurons] = values
        order = np.argsort(-self._rest, axis=1, kind="stable")
        self._sorted = order, np.take_along_axis(self._rest, order, axis=1)


def close_calls(ranks: Ranks, k: int, relative: float) -> NDArray[np.int64]:
    """Return the rows whose k-th value is only by rounding above the next, (M,) indices.

    Equal values are not in doubt: the index decides.

    Args:
        ranks: The `k` + 1 most active neurons; with fewer nothing is in doubt.
        relative: Rounding, in parts of the largest magnitude among them.
    """
    _, values = ranks
    if values.shape[1] <= k:
        return np.empty(0, dtype=np.int64)
    gap = values[:, k - 1].astype(np.float64) - values[:, k]
    return np.flatnonzero((gap > 0) & (gap <= rounding(ranks, relative)))


def rounding(ranks: Ranks, relative: float) -> NDArray[np.float64]:
    """Return how close two values of a row must be to be in doubt, (N,)."""
    _, values = ranks
    size = np.maximum(np.abs(values[:, 0]), np.abs(values[:, -1])).astype(np.float64)
    return np.asarray(relative * size)
