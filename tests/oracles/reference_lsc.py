"""Likelihood-based surprise adequacy (Kim, Feldt, Yoo, ICSE 2019).

LSA(x) = -log(1/n sum_i K_H(a(x) - a(x_i))) over the n reference rows of the class of x, K_H the
normal density with covariance H = (sample covariance of these rows) * n^(-2 / (d + 4)) (Scott).
Neurons with a variance below a threshold in any class are left out for every class.
"""

from __future__ import annotations

from math import log, pi
from typing import Any

import numpy as np

from tests.oracles.reference_layers import Values, neuron_values

Array = np.ndarray[Any, Any]


def kept_columns(reference: Array, classes: Array, variance_threshold: float = 1e-5) -> list[int]:
    """Neurons that vary in every class; a class of one row, with no density, has no say."""
    reference, classes = neuron_values(reference), np.asarray(classes)
    groups = [reference[classes == c] for c in np.unique(classes)]
    variances = [rows.var(axis=0) for rows in groups if len(rows) > 1]
    units = range(reference.shape[1])
    return [u for u in units if variances and min(v[u] for v in variances) >= variance_threshold]


def minus_log_density(row: Values, rows: Values) -> float:
    """NaN where the covariance has no inverse."""
    n, d = rows.shape
    if d == 0 or n <= d:
        return float("nan")
    bandwidth = np.atleast_2d(np.cov(rows, rowvar=False)) * n ** (-2 / (d + 4))
    if np.linalg.matrix_rank(bandwidth) < d:
        return float("nan")
    _, logdet = np.linalg.slogdet(2 * pi * bandwidth)
    away = rows - row
    exponents = -0.5 * (away * np.linalg.solve(bandwidth, away.T).T).sum(axis=1)
    # the largest is taken out: exp of all of them may be 0 in floating point
    peak = exponents.max()
    return float(-(peak + log(np.exp(exponents - peak).sum()) - log(n) - 0.5 * logdet))


def lsa(
    reference: Array,
    reference_classes: Array,
    inputs: Array,
    input_classes: Array,
    variance_threshold: float = 1e-5,
) -> Values:
    kept = kept_columns(reference, reference_classes, variance_threshold)
    rows, classes = neuron_values(reference)[:, kept], np.asarray(reference_classes)
    return np.array(
        [
            minus_log_density(x, rows[classes == c])
            for x, c in zip(neuron_values(inputs)[:, kept], input_classes, strict=True)
        ]
    )
