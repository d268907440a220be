"""Distance-based surprise adequacy (Kim, Feldt, Yoo, ICSE 2019).

DSA(x) = |a(x) - a(x_a)| / |a(x_a) - a(x_b)|: x_a is the reference row of the class of x nearest
to x, x_b the reference row of any other class nearest to x_a (and not to x).
"""

from __future__ import annotations

from math import inf, nan
from typing import Any

import numpy as np

from tests.oracles.reference_layers import Values, neuron_values

Array = np.ndarray[Any, Any]


def distances(rows: Values, point: Values) -> Values:
    return np.sqrt(((rows - point) ** 2).sum(axis=1))


def distance_ratio(x: Values, own: Values, others: Values) -> float:
    """NaN without rows to compare with and for 0/0; of equally near rows the first."""
    if len(own) == 0 or len(others) == 0:
        return nan
    nearest = int(np.argmin(distances(own, x)))
    to_own = float(distances(own, x)[nearest])
    to_other = float(distances(others, own[nearest]).min())
    if to_other == 0:
        return nan if to_own == 0 else inf
    return to_own / to_other


def dsa(reference: Array, reference_classes: Array, inputs: Array, input_classes: Array) -> Values:
    rows, classes = neuron_values(reference), np.asarray(reference_classes)
    return np.array(
        [
            distance_ratio(x, rows[classes == c], rows[classes != c])
            for x, c in zip(neuron_values(inputs), input_classes, strict=True)
        ]
    )
