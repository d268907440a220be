"""The activation batch: what one recorded forward pass says, reduced to neurons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

UNKNOWN = -1
"""Label or prediction of a row that has none."""


@dataclass(frozen=True)
class LayerValues:
    """Activations of one layer for N rows.

    Attributes:
        values: One value per neuron, (N, U), copied from the forward pass and detached.
        raw_min, raw_max: Smallest and largest unreduced value of each row, (N,).
    """

    values: Tensor
    raw_min: Tensor
    raw_max: Tensor

    def select(self, rows: Tensor) -> LayerValues:
        """Return the rows chosen by a boolean mask or by indices."""
        return LayerValues(self.values[rows], self.raw_min[rows], self.raw_max[rows])


@dataclass(frozen=True)
class ActivationBatch:
    """Activations of several layers for the same N rows.

    Attributes:
        layers: By layer name. A layer that the pass did not visit is absent.
        digests: 64-bit content hash of each input row, (N,) uint64; equal inputs, equal digests.
        predictions: Predicted class of each row, (N,) int64, UNKNOWN where the output is no score.
        labels: True class of each row, (N,) int64, UNKNOWN where not given.
    """

    layers: dict[str, LayerValues]
    digests: NDArray[np.uint64]
    predictions: NDArray[np.int64]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.digests)

    def finite(self) -> NDArray[np.bool_]:
        """Return for each row whether every value of every layer is finite, (N,)."""
        result = np.ones(len(self), dtype=bool)
        for layer in self.layers.values():
            result &= torch.isfinite(layer.raw_min + layer.raw_max).cpu().numpy()
            result &= torch.isfinite(layer.values).all(dim=1).cpu().numpy()
        return result

    def select(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> ActivationBatch:
        """Return the rows chosen by a boolean mask or by indices."""
        index = torch.from_numpy(np.ascontiguousarray(rows))
        layers = {
            name: layer.select(index.to(layer.values.device)) for name, layer in self.layers.items()
        }
        return ActivationBatch(
            layers, self.digests[rows], self.predictions[rows], self.labels[rows]
        )

    @staticmethod
    def concatenate(batches: Sequence[ActivationBatch]) -> ActivationBatch:
        """Join batches that carry the same layers, row after row."""
        names = batches[0].layers
        layers = {
            name: LayerValues(
                torch.cat([batch.layers[name].values for batch in batches]),
                torch.cat([batch.layers[name].raw_min for batch in batches]),
                torch.cat([batch.layers[name].raw_max for batch in batches]),
            )
            for name in names
        }
        return ActivationBatch(
            layers,
            np.concatenate([batch.digests for batch in batches]),
            np.concatenate([batch.predictions for batch in batches]),
            np.concatenate([batch.labels for batch in batches]),
        )
