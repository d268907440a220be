"""Mean and variance of every neuron over the reference, streaming.

Parts are joined by Chan, Golub, LeVeque: Updating formulae and a pairwise algorithm for computing
sample variances, 1979; exact up to rounding in float64.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Moment:
    """Moments of one layer.

    Attributes:
        rows: Number of rows n.
        mean: (U,) float64.
        scatter: Sum of squared deviations from the mean, (U,) float64.
    """

    rows: int
    mean: NDArray[np.float64]
    scatter: NDArray[np.float64]

    @property
    def deviation(self) -> NDArray[np.float64]:
        """Population standard deviation, (U,)."""
        return np.asarray(np.sqrt(self.scatter / self.rows))

    def joined(self, other: Moment) -> Moment:
        """Return the moments of both parts together."""
        rows = self.rows + other.rows
        away = other.mean - self.mean
        mean = self.mean + away * (other.rows / rows)
        between = away * away * (self.rows * other.rows / rows)
        return Moment(rows, mean, self.scatter + other.scatter + between)


@dataclass
class Moments:
    """Moments by layer."""

    layers: dict[str, Moment] = field(default_factory=dict)

    def update(self, layer: str, values: NDArray[np.floating]) -> None:
        """Take in finite rows of a layer, (N, U)."""
        if not len(values):
            return
        mean = values.mean(axis=0, dtype=np.float64)
        away = values - mean
        self._join(layer, Moment(len(values), mean, np.einsum("nu,nu->u", away, away)))

    def merge(self, other: Moments) -> None:
        """Take in what `other` has seen."""
        for layer, moment in other.layers.items():
            self._join(layer, moment)

    def _join(self, layer: str, moment: Moment) -> None:
        known = self.layers.get(layer)
        self.layers[layer] = moment if known is None else known.joined(moment)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return arrays that `from_arrays` reads back."""
        arrays: dict[str, NDArray[Any]] = {}
        for layer, moment in self.layers.items():
            arrays[f"rows/{layer}"] = np.array([moment.rows], dtype=np.int64)
            arrays[f"mean/{layer}"] = moment.mean
            arrays[f"scatter/{layer}"] = moment.scatter
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], layers: Iterable[str]) -> Moments:
        """Rebuild from `to_arrays` data, the layers in the order given (a file keeps none)."""
        return cls(
            {
                layer: Moment(
                    int(arrays[f"rows/{layer}"][0]),
                    arrays[f"mean/{layer}"],
                    arrays[f"scatter/{layer}"],
                )
                for layer in layers
            }
        )
