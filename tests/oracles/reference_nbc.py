"""Neuron boundary coverage (Ma et al.: DeepGauge, ASE 2018).

With lo, hi the training range of a neuron and s its standard deviation there (population), a test
reaches the lower corner with v < lo - sigma s and the upper with v > hi + sigma s.
NBC = (neurons with the lower corner reached + with the upper) / (2 |N|).
"""

from __future__ import annotations

from statistics import pstdev

from tests.oracles.reference_layers import Layers, neurons_of, train_and_test


def corners(
    train: Layers, tests: Layers, sigma: float = 0.0, inclusive: bool = False
) -> tuple[int, int]:
    """Neurons whose lower and whose upper corner was reached.

    `inclusive` (dnn-tip): touching the bound is enough.
    """
    lower = upper = 0
    for fitted, seen in train_and_test(train, tests):
        # pstdev is exact: a constant neuron has 0 and not some rounding error
        margin = sigma * pstdev(fitted)
        low, high = min(fitted) - margin, max(fitted) + margin
        lower += any(v < low or (inclusive and v == low) for v in seen)
        upper += any(v > high or (inclusive and v == high) for v in seen)
    return lower, upper


def nbc(
    train: Layers, tests: Layers, sigma: float = 0.0, inclusive: bool = False
) -> tuple[int, int]:
    return sum(corners(train, tests, sigma, inclusive)), 2 * neurons_of(train)
