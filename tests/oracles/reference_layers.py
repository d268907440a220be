"""The neuron values that the slow twins of the criteria share (DeepXplore, DeepGauge).

`layers` maps a layer's name to its outputs, in network order: (N, U), or (N, C, H, W) where a
neuron is a channel and its value the mean over the positions. All values are finite: the papers
say nothing about the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import fsum
from typing import Any

import numpy as np

Values = np.ndarray[Any, np.dtype[np.float64]]
Layers = Mapping[str, np.ndarray[Any, Any]]


def neuron_values(outputs: np.ndarray[Any, Any]) -> Values:
    """(N, neurons) in float64. `fsum`: equal maps have equal means, whatever their memory order."""
    outputs = np.asarray(outputs, dtype=np.float64)
    if outputs.ndim == 2:
        return outputs
    means = [[fsum(m.ravel()) / m.size for m in row] for row in outputs]
    return np.array(means, dtype=np.float64).reshape(outputs.shape[:2])


def neurons_of(layers: Layers) -> int:
    return sum(outputs.shape[1] for outputs in layers.values())


def train_and_test(train: Layers, tests: Layers) -> Iterator[tuple[list[float], list[float]]]:
    """For each neuron, its values over the training set and over the tests."""
    for name in train:
        fitted, seen = neuron_values(train[name]), neuron_values(tests[name])
        for u in range(fitted.shape[1]):
            yield fitted[:, u].tolist(), seen[:, u].tolist()
