"""Neuron coverage (Pei, Cao, Yang, Jana: DeepXplore, SOSP 2017).

NC = |{n : some x has out(n, x) > t}| / |N|. In the evaluation, out is scaled within the layer for
one input x at a time: (v - min) / (max - min) over all the values of the layer for x.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.oracles.reference_layers import Layers, Values, neuron_values, neurons_of


def scaled(output: np.ndarray[Any, Any]) -> Values | None:
    """One layer's output for one input, in [0, 1]; None for 0/0."""
    output = np.asarray(output, dtype=np.float64)
    low, high = output.min(), output.max()
    return None if low == high else (output - low) / (high - low)


def neuron_outputs(outputs: np.ndarray[Any, Any], scale: str) -> list[Values | None]:
    """For each input the value of each neuron, or None where no neuron counts as active.

    "map" scales the raw map over all pixels of all channels, then averages; "channel_mean_first"
    (NeuraL-Coverage) the other way round; "none" (dnn-tip) leaves the values alone.
    """
    if scale == "none":
        return list(neuron_values(outputs))
    if scale == "channel_mean_first":
        return [scaled(row) for row in neuron_values(outputs)]
    maps = [scaled(row) for row in outputs]
    return [None if m is None else neuron_values(m[None])[0] for m in maps]


def nc(tests: Layers, threshold: float, scale: str = "map") -> tuple[int, int]:
    covered = set()
    for name, outputs in tests.items():
        for row in neuron_outputs(outputs, scale):
            if row is not None:
                covered |= {(name, u) for u, value in enumerate(row) if value > threshold}
    return len(covered), neurons_of(tests)
