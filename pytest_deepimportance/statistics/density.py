"""Likelihood-based surprise: how improbable an activation is among the reference's.

Kim, Feldt, Yoo: Guiding Deep Learning System Testing Using Surprise Adequacy, ICSE 2019. With the
n reference rows x_i of the input's class,

    LSA(x) = -log(1/n sum_i K_H(x - x_i)),   H = covariance * n^(-2 / (d + 4))   (Scott's rule)

where K_H is the normal density with covariance H. Neurons that hardly vary in some class are left
out for all classes, so that the values of different classes are comparable.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import log, pi

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.statistics.class_groups import by_class
from pytest_deepimportance.statistics.row_wise import row_by_row, row_products
from pytest_deepimportance.statistics.traces import Traces
from pytest_deepimportance.statistics.whitening import whitening

Floats = NDArray[np.float64]

RIDGE = 1e-10
"""Added to the diagonal of a covariance that has no Cholesky factor, times the mean variance."""


@dataclass(frozen=True)
class KernelDensity:
    """The density of one class.

    With W such that H^-1 = W W', a squared distance is |z - w|^2 for z = (x - mean) W: the rows'
    w are prepared, with -|w|^2 / 2 as a further column, and each input costs two products.

    Attributes:
        mean: (d,).
        whiten: W, (d, d).
        rows: The rows' w and -|w|^2 / 2, (d + 1, n).
        constant: log n + log det(2 pi H) / 2.
        ridged: Whether a ridge had to be added to H.
    """

    mean: Floats
    whiten: Floats
    rows: Floats
    constant: float
    ridged: bool

    @classmethod
    @np.errstate(over="ignore", invalid="ignore")
    def fit(cls, rows: Floats) -> KernelDensity | None:
        """Return the density of rows (n, d), or None where their covariance has no inverse."""
        n, d = rows.shape
        if d == 0 or n <= d:
            return None
        bandwidth = np.atleast_2d(np.cov(rows, rowvar=False)) * n ** (-2 / (d + 4))
        finite = bool(np.isfinite(bandwidth).all())
        if not finite or np.linalg.matrix_rank(bandwidth, hermitian=True) < d:
            return None
        ridge = RIDGE * float(np.trace(bandwidth)) / d
        found, ridged = whitening(bandwidth), False
        if found is None:
            found, ridged = whitening(bandwidth + ridge * np.eye(d)), True
        if found is None:
            return None
        whiten, log_determinant = found
        mean = rows.mean(axis=0)
        white = (rows - mean) @ whiten
        halves = -0.5 * (white * white).sum(axis=1, keepdims=True)
        constant = log(n) + 0.5 * (d * log(2 * pi) + log_determinant)
        columns = np.ascontiguousarray(np.concatenate([white, halves], axis=1).T)
        return cls(mean, whiten, columns, constant, ridged)

    def minus_log(self, values: NDArray[np.floating]) -> Floats:
        """Return the negative log density at values (N, d), (N,)."""
        return row_by_row(values, self._minus_log)

    def _minus_log(self, block: Floats) -> Floats:
        white = row_products(block - self.mean, self.whiten)
        ones = np.ones((len(white), 1))
        exponents = row_products(np.concatenate([white, ones], axis=1), self.rows)
        # The largest is taken out: exp of all of them may be 0 in floating point.
        peak = exponents.max(axis=1)
        exponents -= peak[:, None]
        total = np.exp(exponents, out=exponents).sum(axis=1)
        result: Floats = self.constant + 0.5 * (white * white).sum(axis=1) - peak - np.log(total)
        return result


class ClassDensities:
    """The densities of all classes, each made when first asked for.

    Args:
        traces: The reference's.
        variance_threshold: Neurons with a smaller population variance in any class of at least two
            rows are left out.
    """

    def __init__(self, traces: Traces, variance_threshold: float) -> None:
        self._traces = traces
        self._threshold = variance_threshold
        self._densities: dict[int, KernelDensity | None] = {}

    @cached_property
    def kept(self) -> NDArray[np.int64]:
        """Neurons that vary in every class, (K,); none if no class has two rows."""
        variances = [
            _variances(self._traces.values[rows].astype(np.float64))
            for _, rows in by_class(self._traces.classes)
            if len(rows) > 1
        ]
        if not variances:
            return np.zeros(0, dtype=np.int64)
        return np.flatnonzero(np.min(variances, axis=0) >= self._threshold)

    @property
    def dropped(self) -> list[int]:
        """Neurons that are left out."""
        return sorted(set(range(self._traces.width)) - set(self.kept.tolist()))

    @property
    def ridged(self) -> list[int]:
        """Classes whose covariance was inverted with a ridge only."""
        found = [(label, self._of(label)) for label in self._traces.class_rows]
        return [label for label, density in found if density is not None and density.ridged]

    @property
    def missing(self) -> list[int]:
        """Classes without a density: too few rows, or a covariance without an inverse."""
        return [label for label in self._traces.class_rows if self._of(label) is None]

    def minus_log_density(self, values: NDArray[np.floating], classes: NDArray[np.int64]) -> Floats:
        """Return the LSA in nats of rows (N, d) of the given classes (N,), (N,).

        NaN where the class has no density or is unknown.
        """
        result = np.full(len(values), np.nan)
        for label, rows in by_class(classes):
            density = self._of(label)
            if density is not None:
                result[rows] = density.minus_log(values[rows][:, self.kept])
        return result

    def _of(self, label: int) -> KernelDensity | None:
        if label not in self._densities:
            rows = self._traces.values[self._traces.rows_of(label)][:, self.kept]
            self._densities[label] = KernelDensity.fit(rows.astype(np.float64))
        return self._densities[label]


@np.errstate(over="ignore", invalid="ignore")
def _variances(rows: Floats) -> Floats:
    """Return the population variance of each column of (n, d), (d,)."""
    return np.asarray(rows.var(axis=0))
