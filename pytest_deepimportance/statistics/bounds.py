"""Smallest and largest reference value of every neuron."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass
class Bounds:
    """The reference range of every neuron; exact, whatever the order and grouping of the rows.

    Attributes:
        low, high: By layer, (U,) float64.
    """

    low: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    high: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def update(self, layer: str, values: NDArray[np.floating]) -> None:
        """Take in finite rows of a layer, (N, U)."""
        if len(values):
            self._widen(layer, values.min(axis=0), values.max(axis=0))

    def merge(self, other: Bounds) -> None:
        """Take in what `other` has seen."""
        for layer in other.low:
            self._widen(layer, other.low[layer], other.high[layer])

    def _widen(self, layer: str, low: NDArray[Any], high: NDArray[Any]) -> None:
        low, high = low.astype(np.float64), high.astype(np.float64)
        if layer in self.low:
            low = np.minimum(low, self.low[layer])
            high = np.maximum(high, self.high[layer])
        self.low[layer], self.high[layer] = low, high

    def tolerance(self, layer: str, relative: float) -> NDArray[np.float64]:
        """Return by how much each neuron may pass its bounds, (U,).

        The same inputs give slightly other values at another batch size or on another device; the
        larger of `relative` of the range and a tenth of it of the largest magnitude is allowed.
        """
        low, high = self.low[layer], self.high[layer]
        magnitude = np.maximum(np.abs(low), np.abs(high))
        return np.maximum(relative * (high - low), relative / 10 * magnitude)

    def constant(self, layer: str) -> NDArray[np.bool_]:
        """Return which neurons have one value for the whole reference, (U,)."""
        return np.asarray(self.low[layer] == self.high[layer])

    def to_arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return arrays that `from_arrays` reads back."""
        return {
            f"{side}/{layer}": values
            for side, layers in (("low", self.low), ("high", self.high))
            for layer, values in layers.items()
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], layers: Iterable[str]) -> Bounds:
        """Rebuild from `to_arrays` data, the layers in the order given (a file keeps none)."""
        names = list(layers)
        return cls(
            {name: arrays[f"low/{name}"] for name in names},
            {name: arrays[f"high/{name}"] for name in names},
        )
