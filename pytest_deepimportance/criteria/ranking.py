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
    known: Ranks | None = batch.memo.get(("ranking", layer))
    if known is None or known[0].shape[1] < count:
        known = _ranked(batch.view(layer), count)
        batch.memo["ranking", layer] = known
    neurons, values = known
    return neurons[:, :count], values[:, :count]


def _ranked(values: NDArray[np.floating], count: int) -> Ranks:
    if count > _FEW:
        order = np.argsort(-values, axis=1, kind="stable")[:, :count]
        return order, np.take_along_axis(values, order, axis=1)
    rest = values.copy()
    flat, first = rest.reshape(-1), np.arange(len(values)) * values.shape[1]
    neurons = np.empty((len(values), count), dtype=np.int64)
    found = np.empty((len(values), count), dtype=values.dtype)
    for rank in range(count):
        best = rest.argmax(axis=1)
        at = first + best
        neurons[:, rank], found[:, rank] = best, flat[at]
        flat[at] = -np.inf
    return neurons, found


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
