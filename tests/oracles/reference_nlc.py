"""Neural coverage (Yuan, Pang, Wang, ICSE 2023).

NLC = sum over the layers of (1 / m^2) sum |entries of the covariance of its m neurons|, the
population covariance over the whole suite at once.
"""

from __future__ import annotations

from tests.oracles.reference_layers import Layers, neuron_values


def nlc(tests: Layers) -> float:
    total = 0.0
    for outputs in tests.values():
        values = neuron_values(outputs)
        away = values - values.mean(axis=0)
        covariance = away.T @ away / len(values)
        total += float(abs(covariance).sum()) / values.shape[1] ** 2
    return total
