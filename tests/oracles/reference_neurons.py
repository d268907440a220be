"""Slow twin of `recording.neurons`: numpy and plain loops over rows, neurons and positions."""

from __future__ import annotations

import numpy as np


def reduce_slowly(array, row_axis, channel_axis, how, mask=None):
    """Return (values (N, U), smallest (N,), largest (N,)), one row and one neuron at a time.

    `mask` (N, T) says which positions count; a row with none counts all.
    """
    array = np.asarray(array, dtype=np.float64)
    channel_axis %= array.ndim
    ordered = np.moveaxis(array, (row_axis, channel_axis), (0, 1))
    rows, units = ordered.shape[:2]
    flat = ordered.reshape(rows, units, -1)
    values, low, high = np.zeros((rows, units)), np.zeros(rows), np.zeros(rows)
    for n in range(rows):
        real = [t for t in range(flat.shape[2]) if mask is None or mask[n][t]]
        real = real or list(range(flat.shape[2]))
        low[n] = min(flat[n, u, t] for u in range(units) for t in real)
        high[n] = max(flat[n, u, t] for u in range(units) for t in real)
        for u in range(units):
            kept = [flat[n, u, t] for t in real]
            values[n, u] = {
                "mean": sum(kept) / len(kept),
                "first": kept[0],
                "last": kept[-1],
                "max": max(kept),
                "sum": sum(kept),
            }[how]
    return values, low, high
