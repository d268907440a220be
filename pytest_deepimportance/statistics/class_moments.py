"""Number, mean and scatter of each class's activations of one layer, streamed and merged.

Parts are joined by the rule of Chan, Golub and LeVeque (1979), which loses no digits to a large
mean: the scatter is always taken about the part's own mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.errors import ProfileError
from pytest_deepimportance.statistics.class_groups import by_class

Floats = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]
Moments = tuple[int, Floats, Floats]
"""Rows n, their mean (d,), and their scatter (d, d): the sum of (x - mean)(x - mean)'."""


class ClassMoments:
    """Moments of one layer's activations by class, in double precision.

    The order and grouping of the rows change them by rounding only.

    Attributes:
        memo: What was derived from the moments and is asked for again; empty after a change.
    """

    def __init__(self) -> None:
        self.memo: dict[Any, Any] = {}
        self._moments: dict[int, Moments] = {}

    @property
    def classes(self) -> list[int]:
        """Classes that have rows, ascending."""
        return sorted(self._moments)

    @property
    def width(self) -> int:
        """Neurons of the layer (d), 0 before the first row."""
        return next((len(mean) for _, mean, _ in self._moments.values()), 0)

    @property
    def rows(self) -> int:
        """Rows of all classes."""
        return sum(count for count, _, _ in self._moments.values())

    def of(self, label: int) -> Moments:
        """Return rows, mean and scatter of a class that has rows."""
        return self._moments[label]

    @np.errstate(over="ignore", invalid="ignore")
    def update(self, values: NDArray[np.floating], classes: NDArray[np.int64]) -> None:
        """Take in rows (N, d) and their classes (N,), all known.

        Raises:
            ProfileError: The rows have another number of neurons than those before.
        """
        for label, index in by_class(classes):
            rows = values[index].astype(np.float64)
            mean = rows.mean(axis=0)
            rows -= mean
            self._add(label, (len(rows), mean, rows.T @ rows))

    def merge(self, other: ClassMoments) -> None:
        """Take in the rows of `other`.

        Raises:
            ProfileError: They have another number of neurons.
        """
        for label in other.classes:
            self._add(label, other.of(label))

    def to_arrays(self) -> Arrays:
        """Return everything as arrays: classes (C,), counts, means (C, d), scatters (C, d, d)."""
        d, labels = self.width, self.classes
        parts = [self._moments[label] for label in labels]
        c = len(parts)
        return {
            "classes": np.array(labels, dtype=np.int64),
            "counts": np.array([count for count, _, _ in parts], dtype=np.int64),
            "means": np.array([mean for _, mean, _ in parts], dtype=np.float64).reshape(c, d),
            "scatters": np.array([s for _, _, s in parts], dtype=np.float64).reshape(c, d, d),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> ClassMoments:
        """Return the moments that `to_arrays` came from; the arrays are not copied."""
        moments = cls()
        columns = (arrays[name] for name in ("means", "scatters"))
        counts = zip(arrays["classes"].tolist(), arrays["counts"].tolist(), strict=True)
        for (label, count), mean, scatter in zip(counts, *columns, strict=True):
            moments._moments[label] = (count, mean, scatter)
        return moments

    def _add(self, label: int, part: Moments) -> None:
        count, mean, scatter = part
        if self._moments and self.width != len(mean):
            raise ProfileError(
                f"moments of {len(mean)} neurons cannot join moments of {self.width} neurons",
                "They come from different layers.",
            )
        self.memo.clear()
        if label not in self._moments:
            self._moments[label] = part
            return
        before, old_mean, old_scatter = self._moments[label]
        rows = before + count
        step = mean - old_mean
        joined = old_scatter + scatter + np.outer(step, step) * (before * count / rows)
        self._moments[label] = (rows, old_mean + step * (count / rows), joined)
