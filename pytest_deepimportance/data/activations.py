"""The activation batch: what one recorded forward pass says, reduced to neurons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pytest_deepimportance.data.layer_values import LayerValues
from pytest_deepimportance.data.sheets import SheetLayers
from pytest_deepimportance.data.tags import joined_tags

UNKNOWN = -1
"""Label or prediction of a row that has none."""


@dataclass(frozen=True)
class ActivationBatch:
    """Activations of several layers for the same N rows.

    Attributes:
        layers: By layer name. A layer that the pass did not visit is absent.
        digests: 64-bit content hash of each input row, (N,) uint64; equal inputs, equal digests.
        predictions: Predicted class of each row, (N,) int64, UNKNOWN where the output is no score.
        labels: True class of each row, (N,) int64, UNKNOWN where not given.
        confidence: How sure the model is of each row (see `data.confidence`), (N, 3) float32, NaN
            where not known; None where it is known of none.
        tags: For each row the number of its tags (see `data.tags`), (N,) int32; None without any.
        memo: What was derived from these rows and is asked for again (by another criterion).
    """

    layers: Mapping[str, LayerValues]
    digests: NDArray[np.uint64]
    predictions: NDArray[np.int64]
    labels: NDArray[np.int64]
    confidence: NDArray[np.float32] | None = None
    tags: NDArray[np.int32] | None = None
    memo: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.digests)

    @property
    def devices(self) -> set[str]:
        """Where the activations are, such as "cpu"."""
        if isinstance(self.layers, SheetLayers):
            return {"cpu"}
        return {str(layer.values.device) for layer in self.layers.values()}

    @property
    def nbytes(self) -> int:
        """Bytes of the activations."""
        if isinstance(self.layers, SheetLayers):
            return self.layers.sheet.values.nbytes
        return sum(t.nbytes for layer in self.layers.values() for t in layer.tensors())

    @property
    def neuron_bytes(self) -> int:
        """Bytes of the neurons' values alone."""
        if isinstance(self.layers, SheetLayers):
            sheet = self.layers.sheet
            return sheet.values.itemsize * len(sheet) * sum(c.neurons for c in sheet.columns)
        return sum(layer.values.nbytes for layer in self.layers.values())

    def width(self, layer: str) -> int:
        """Return the number of a layer's neurons."""
        if isinstance(self.layers, SheetLayers):
            return self.layers.sheet.column(layer).neurons
        return int(self.layers[layer].values.shape[1])

    def view(self, layer: str) -> NDArray[np.floating]:
        """Return what `array` does, but the values may lie apart: for what sees each by itself."""
        if isinstance(self.layers, SheetLayers):
            return self.layers.sheet.neurons(layer)
        return self.array(layer)

    def chosen(self, layer: str, neurons: Tensor) -> Tensor:
        """Return some neurons' values, (N, len(neurons)), where they are."""
        if isinstance(self.layers, SheetLayers):
            return torch.from_numpy(self.layers.sheet.neurons(layer)[:, neurons.numpy()])
        values = self.layers[layer].values
        return values.index_select(1, neurons.to(values.device))

    def unreduced(self, layer: str) -> tuple[NDArray[np.floating], NDArray[np.floating]] | None:
        """Return the smallest and largest unreduced value of each row, (N,) both.

        None where nothing was reduced, so that they are among the layer's values.
        """
        if isinstance(self.layers, SheetLayers):
            found = self.layers.sheet.extremes(layer)
            return None if found is None else (found[:, 0], found[:, 1])
        own = self.layers[layer]
        if own.smallest is None or own.largest is None:
            return None
        return as_array(own.smallest), as_array(own.largest)

    def array(self, layer: str) -> NDArray[np.floating]:
        """Return a layer's values as an array, (N, U), in single or double precision."""
        if ("array", layer) not in self.memo:
            self.memo["array", layer] = as_array(self.layers[layer].values)
        array: NDArray[np.floating] = self.memo["array", layer]
        return array

    def chunks(self, rows: int) -> Iterator[ActivationBatch]:
        """Yield the batch in parts of at most `rows` rows that share its memory.

        A batch no larger is yielded itself, so that what was derived from it is found again.
        """
        if 0 < len(self) <= rows:
            yield self
            return
        for start in range(0, len(self), rows):
            part = slice(start, start + rows)
            yield ActivationBatch(
                _part(self.layers, part),
                self.digests[part],
                self.predictions[part],
                self.labels[part],
                None if self.confidence is None else self.confidence[part],
                None if self.tags is None else self.tags[part],
            )

    def finite(self) -> NDArray[np.bool_]:
        """Return for each row whether every value of every layer is finite, (N,)."""
        if isinstance(self.layers, SheetLayers):
            return self.layers.finite()
        result = np.ones(len(self), dtype=bool)
        for layer in self.layers.values():
            if not layer.all_finite:
                result &= layer.finite().cpu().numpy()
        return result

    def select(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> ActivationBatch:
        """Return the rows chosen by a boolean mask or by indices."""
        index = torch.from_numpy(np.ascontiguousarray(rows))
        layers = {
            name: _chosen(layer, index.to(layer.values.device))
            for name, layer in self.layers.items()
        }
        return ActivationBatch(
            layers,
            self.digests[rows],
            self.predictions[rows],
            self.labels[rows],
            None if self.confidence is None else self.confidence[rows],
            None if self.tags is None else self.tags[rows],
        )

    @staticmethod
    def concatenate(batches: Sequence[ActivationBatch]) -> ActivationBatch:
        """Join batches that carry the same layers, row after row; a single one is itself."""
        if len(batches) == 1:
            return batches[0]
        parts = [batch.layers for batch in batches]
        layers: Mapping[str, LayerValues] | None = SheetLayers.joined(parts)
        if layers is None:
            layers = {name: _joined([part[name] for part in parts]) for name in parts[0]}
        rows = [len(batch) for batch in batches]
        return ActivationBatch(
            layers,
            np.concatenate([batch.digests for batch in batches]),
            np.concatenate([batch.predictions for batch in batches]),
            np.concatenate([batch.labels for batch in batches]),
            joined_confidence([batch.confidence for batch in batches], rows),
            joined_tags([batch.tags for batch in batches], rows),
        )


def joined_confidence(
    parts: Sequence[NDArray[np.float32] | None], rows: Sequence[int]
) -> NDArray[np.float32] | None:
    """Join confidences of parts with so many `rows`, NaN where a part has none, (N, 3)."""
    if len(parts) == 1 or all(part is None for part in parts):
        return parts[0] if parts else None
    unknown = np.float32(np.nan)
    return np.concatenate(
        [
            np.full((number, 3), unknown) if part is None else part
            for part, number in zip(parts, rows, strict=True)
        ]
    )


def as_array(values: Tensor) -> NDArray[np.floating]:
    """Return a tensor as an array in single or double precision."""
    values = values.detach()
    if values.dtype not in (torch.float32, torch.float64):
        values = values.float()
    array: NDArray[np.floating] = values.cpu().numpy()
    return array


def _part(layers: Mapping[str, LayerValues], rows: slice) -> Mapping[str, LayerValues]:
    """Return some neighbouring rows, which share the memory of all."""
    if isinstance(layers, SheetLayers):
        return SheetLayers(layers.sheet.rows(rows))
    return {name: layer.map(lambda tensor: tensor[rows]) for name, layer in layers.items()}


def _chosen(layer: LayerValues, rows: Tensor) -> LayerValues:
    return layer.map(lambda tensor: tensor[rows])


def _joined(parts: Sequence[LayerValues]) -> LayerValues:
    values = torch.cat([part.values for part in parts])
    if all(part.smallest is None for part in parts):
        return LayerValues(values)
    return LayerValues(
        values,
        torch.cat([part.raw_min for part in parts]),
        torch.cat([part.raw_max for part in parts]),
    )
