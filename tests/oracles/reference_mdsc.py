"""Mahalanobis-distance surprise adequacy (Kim, Ju, Feldt, Yoo, FSE 2020), per class.

MDSA(x) = sqrt((a(x) - mu)' S^-1 (a(x) - mu)), mu and S the mean and the population covariance of
the reference rows of the class of x. S may be singular, hence two inverses: "pinv" ignores the
directions that are constant in the reference, "ridge" inverts S + 1e-6 trace(S) / d I.
"""

from __future__ import annotations

from math import nan, sqrt
from typing import Any

import numpy as np

from tests.oracles.reference_layers import Values, neuron_values

Array = np.ndarray[Any, Any]


def mahalanobis(x: Values, rows: Values, inverse: str) -> float:
    """NaN without rows, and for the ridge of rows that are all the same (it is 0 as well)."""
    if len(rows) == 0:
        return nan
    d = rows.shape[1]
    mean = rows.mean(axis=0)
    away = rows - mean
    covariance = away.T @ away / len(rows)
    if inverse == "pinv":
        inverted = np.linalg.pinv(covariance, hermitian=True)
    else:
        ridge = 1e-6 * np.trace(covariance) / d
        if ridge == 0:
            return nan
        inverted = np.linalg.inv(covariance + ridge * np.eye(d))
    return sqrt(max((x - mean) @ inverted @ (x - mean), 0.0))


def mdsa(
    reference: Array,
    reference_classes: Array,
    inputs: Array,
    input_classes: Array,
    inverse: str = "pinv",
) -> Values:
    rows, classes = neuron_values(reference), np.asarray(reference_classes)
    return np.array(
        [
            mahalanobis(x, rows[classes == c], inverse)
            for x, c in zip(neuron_values(inputs), input_classes, strict=True)
        ]
    )
