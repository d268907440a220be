"""Mahalanobis-distance surprise: how far an activation is from its class, in standard deviations.

Kim, Ju, Feldt, Yoo: Reducing DNN Labelling Cost Using Surprise Adequacy, FSE 2020. With the mean
and the population covariance S of the reference rows of the input's class,

    MDSA(x) = sqrt((x - mean)' S^-1 (x - mean))

S may have no inverse (a neuron that is dead in a class). With "ridge", S + 1e-6 trace(S)/d I is
inverted, and a value where the reference is constant is very surprising; with "pinv" such
directions are ignored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.statistics.class_groups import by_class
from pytest_deepimportance.statistics.class_moments import ClassMoments, Moments
from pytest_deepimportance.statistics.row_wise import row_by_row, row_products
from pytest_deepimportance.statistics.whitening import whitening

Floats = NDArray[np.float64]

RIDGE = 1e-6
"""Added to the diagonal of a class covariance, times its mean variance."""

_QUANTILE = 0.999


@dataclass(frozen=True)
class Metric:
    """Mean (d,) of a class, and a matrix A (d, d) by which squared distances are measured.

    Attributes:
        factored: The squared distance is |(x - mean) A|^2; else it is (x - mean)' A (x - mean).
    """

    mean: Floats
    matrix: Floats
    factored: bool

    def distances(self, values: NDArray[np.floating]) -> Floats:
        """Return the distances of rows (N, d) to the mean, (N,)."""
        return row_by_row(values, self._distances)

    def _distances(self, block: Floats) -> Floats:
        away = block - self.mean
        changed = row_products(away, self.matrix)
        squares = (changed * (changed if self.factored else away)).sum(axis=1)
        # Rounding can make a quadratic form of a pseudo-inverse slightly negative.
        result: Floats = np.sqrt(np.maximum(squares, 0.0))
        return result


class MahalanobisDistances:
    """Distances to the classes of a reference, whose inverses are made when first asked for.

    Args:
        inverse: "ridge" or "pinv".
    """

    def __init__(self, moments: ClassMoments, inverse: str) -> None:
        self._moments = moments
        self._invert = {"ridge": _with_ridge, "pinv": _pseudo}[inverse]
        self._metrics: dict[int, Metric | None] = {}

    def distances(self, values: NDArray[np.floating], classes: NDArray[np.int64]) -> Floats:
        """Return the MDSA of rows (N, d) of the given classes (N,), (N,).

        NaN where the class is unknown, and with "ridge" where all its rows are the same.
        """
        result = np.full(len(values), np.nan)
        for label, rows in by_class(classes):
            metric = self._of(label)
            if metric is not None:
                result[rows] = metric.distances(values[rows])
        return result

    def _of(self, label: int) -> Metric | None:
        if label not in self._metrics:
            known = label in self._moments.classes
            self._metrics[label] = self._invert(self._moments.of(label)) if known else None
        return self._metrics[label]


def calibrated_upper(values: Floats) -> float:
    """Return twice the 99.9 % point of the reference's own MDSA values (N,); 0 without finite ones.

    The point between two values is interpolated linearly.
    """
    finite = values[np.isfinite(values)]
    return 2 * float(np.quantile(finite, _QUANTILE)) if len(finite) else 0.0


@np.errstate(over="ignore", invalid="ignore")
def _with_ridge(moments: Moments) -> Metric | None:
    rows, mean, scatter = moments
    covariance = scatter / rows
    d = len(mean)
    ridge = RIDGE * float(np.trace(covariance)) / d if d else 0.0
    if ridge == 0 or not np.isfinite(ridge):
        return None
    found = whitening(covariance + ridge * np.eye(d))
    return None if found is None else Metric(mean, found[0], True)


@np.errstate(over="ignore", invalid="ignore")
def _pseudo(moments: Moments) -> Metric | None:
    rows, mean, scatter = moments
    covariance = scatter / rows
    if not np.isfinite(covariance).all():
        return None
    inverse = np.asarray(np.linalg.pinv(covariance, hermitian=True), dtype=np.float64)
    return Metric(mean, inverse, False) if np.isfinite(inverse).all() else None
