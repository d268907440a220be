"""Confidence intervals for parts and means of rows that come in groups (several rows an input)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from pytest_deepimportance.selector_results import Estimate

LEVEL = 0.95


def part(right: NDArray[np.bool_], groups: NDArray[np.int64]) -> Estimate:
    """Return the part of rows that are right, with Wilson's interval (1927).

    Rows of one input are not independent, so there are as many trials as inputs.
    """
    p, n = float(right.mean()), len(np.unique(groups))
    z = float(norm.ppf((1 + LEVEL) / 2))
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Estimate(p, max(0.0, middle - half), min(1.0, middle + half))


def mean(values: NDArray[np.float64], groups: NDArray[np.int64]) -> Estimate:
    """Return the mean over rows, with Student's interval over inputs (a ratio estimator).

    With sums s_i over the r_i rows of n inputs, mean D = sum s / sum r and variance
    n / (n - 1) * sum (s_i - D r_i)^2 / (sum r)^2.
    """
    number = np.unique(groups, return_inverse=True)[1].reshape(-1)
    sums, rows = np.bincount(number, weights=values), np.bincount(number)
    n, whole = len(sums), float(rows.sum())
    middle = float(sums.sum() / whole)
    if n < 2:
        return Estimate(middle, -math.inf, math.inf)
    variance = n / (n - 1) * float(((sums - middle * rows) ** 2).sum()) / whole**2
    half = float(t.ppf((1 + LEVEL) / 2, n - 1)) * math.sqrt(variance)
    return Estimate(middle, middle - half, middle + half)
