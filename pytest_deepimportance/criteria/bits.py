"""What the criteria that mark items of neurons share: bitmaps, their union, their rows.

Three bitmaps are kept. `seen`: covered. `sure`: covered by a value that is not within rounding of
the boundary that decided it. `possible`: covered, or within rounding of being so. The same model
gives slightly other values at another batch size or on another device; the items in doubt are
those possible but not sure, and the report counts them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pytest_deepimportance.criteria.base import Criterion
from pytest_deepimportance.criteria.neuron_blocks import NeuronBlock, neuron_blocks
from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.errors import LayerError
from pytest_deepimportance.results import CriterionRow
from pytest_deepimportance.statistics.incidence import RowItems

if TYPE_CHECKING:
    from typing import Self  # Python 3.11; never imported when the code runs

CHUNK = 2048
"""Rows processed at a time: as many as make the price of each operation's start not matter, and as
few as keep what is derived from a block of neurons near the processor."""

UNTOUCHED, NAMED = "untouched", 200
"""Detail of a layer's row: neurons of which nothing is covered, the first so many by index."""

Bitmap = NDArray[np.uint8]
Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


class BitCriterion(Criterion):
    """A ratio of marked items; every neuron has the same number of them.

    Args:
        layers: Neurons of each layer, in network order.
        places: Items per neuron.
    """

    unit = "ratio"
    names_untouched: ClassVar[bool] = False
    """Whether a layer's row names the neurons of which nothing is covered."""
    seen: Tensor
    sure: Tensor
    possible: Tensor
    visited: Tensor

    def __init__(self, layers: Mapping[str, int], places: int = 1) -> None:
        super().__init__()
        self.layers = dict(layers)
        self.places = places
        ends = np.cumsum([0, *self.layers.values()])
        self.spans = {
            name: slice(int(start), int(stop))
            for name, start, stop in zip(self.layers, ends[:-1], ends[1:], strict=True)
        }
        shape = (int(ends[-1]), -(-places // 8))
        for bitmap in ("seen", "sure", "possible"):
            self.register_buffer(bitmap, torch.zeros(shape, dtype=torch.uint8))
        self.register_buffer("visited", torch.zeros(len(self.layers), dtype=torch.bool))

    @torch.no_grad()
    def update(self, batch: ActivationBatch) -> None:
        """Mark what the rows of one forward pass cover.

        Raises:
            LayerError: A layer has another number of neurons than in the reference.
        """
        if not len(batch):
            return
        present = [name for name in self.layers if name in batch.layers]
        for name in present:
            check_width(name, batch, self.layers[name])
        self.bitmap("visited")[:] |= np.array([name in batch.layers for name in self.layers])
        for part in batch.chunks(CHUNK):
            self._update_part(part, present)

    def items(self, batch: ActivationBatch) -> RowItems:
        """Return the items of each row as neuron x places + place, neurons of all layers."""
        found = [
            self._layer_items(name, batch)
            for name in self.layers
            if name in batch.layers and self.layers[name]
        ]
        none = np.zeros(0, dtype=np.int64)
        rows = np.concatenate([none, *(rows for rows, _ in found)])
        items = np.concatenate([none, *(items for _, items in found)])
        return RowItems.of(rows, items, len(batch))

    def held(self) -> NDArray[np.int64]:
        """Return the items marked so far."""
        seen = np.unpackbits(self.bitmap("seen"), axis=1, count=self.places, bitorder="little")
        for name, span in self.spans.items():
            kept = self.counted(name)
            if kept is not None:
                seen[span][~kept] = 0
        return np.flatnonzero(seen)

    @property
    def item_numbers(self) -> int:
        """Neurons x places."""
        return len(self.seen) * self.places

    def _layer_items(
        self, name: str, batch: ActivationBatch
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        rows, neurons, places = self._pairs(name, batch)
        kept = self.counted(name)
        if kept is not None:
            rows, neurons, places = (part[kept[neurons]] for part in (rows, neurons, places))
        return rows, (self.spans[name].start + neurons) * self.places + places

    @abstractmethod
    def _pairs(self, name: str, batch: ActivationBatch) -> Pairs:
        """Return row, neuron of the layer and place of everything covered in it, (E,) each."""

    @abstractmethod
    def _update_part(self, batch: ActivationBatch, present: Sequence[str]) -> None:
        """Mark what a few rows cover in the layers that are present."""

    def blocks(self, present: Sequence[str]) -> tuple[NeuronBlock, ...]:
        """Return the neurons of the layers that are present, a few hundred at a time."""
        return neuron_blocks(tuple(self.layers.items()), frozenset(present))

    def counted(self, name: str) -> NDArray[np.bool_] | None:
        """Return which neurons of a layer count, (U,); None: all of them."""
        return None

    def details(self, name: str) -> dict[str, int]:
        """Return further numbers of a layer, which the pooled row adds up."""
        return {}

    def remarks(self) -> dict[str, Any]:
        """Return further details of the pooled row."""
        return {}

    def merge(self, other: Self) -> None:
        """Take in everything that `other` has marked."""
        for name, buffer in self.named_buffers():
            buffer |= other.get_buffer(name)

    def reset(self) -> None:
        """Forget everything seen."""
        for buffer in self.buffers():
            buffer.zero_()

    def compute(self) -> tuple[CriterionRow, ...]:
        """Return the row over all layers, then one per layer."""
        rows = [self._row(name) for name in self.layers]
        details: dict[str, Any] = {}
        for row in rows:
            for key, value in row.details.items():
                if key == UNTOUCHED:
                    continue  # indices of one layer's neurons
                details[key] = details.get(key, 0) + value
        absent = [
            n for n, visited in zip(self.layers, self.visited.tolist(), strict=True) if not visited
        ]
        if self.visited.any() and absent:
            details["unvisited_layers"] = absent
        pooled = CriterionRow(
            self.name,
            self.unit,
            sum(row.covered for row in rows),
            sum(row.total for row in rows),
            details={**details, **self.remarks()},
        )
        return (pooled, *rows)

    def _row(self, name: str) -> CriterionRow:
        span, kept = self.spans[name], self.counted(name)
        seen, sure, possible = (
            self.bitmap(bitmap)[span] if kept is None else self.bitmap(bitmap)[span][kept]
            for bitmap in ("seen", "sure", "possible")
        )
        details: dict[str, Any] = {
            "near_boundary": count_bits(possible & ~sure),
            **self.details(name),
        }
        if self.names_untouched:
            details[UNTOUCHED] = np.flatnonzero(~seen.any(axis=1))[:NAMED].tolist()
        return CriterionRow(
            self.name, self.unit, count_bits(seen), len(seen) * self.places, layer=name,
            details=details,
        )  # fmt: skip

    def bitmap(self, name: str) -> Bitmap:
        """Return a bitmap of all layers, (U of all, bytes), sharing its memory."""
        buffer = self._buffers[name]
        assert buffer is not None
        array: Bitmap = buffer.numpy()
        return array

    def mark(
        self,
        span: slice,
        seen: NDArray[np.bool_],
        sure: NDArray[np.bool_],
        possible: NDArray[np.bool_],
    ) -> None:
        """Mark items of neighbouring neurons, each (U, places).

        `sure` lies in `seen`, and that in `possible`.
        """
        for bitmap, items in (("seen", seen), ("sure", sure), ("possible", possible)):
            part = self.bitmap(bitmap)[span]
            part |= np.packbits(items, axis=1, bitorder="little")

    def export(self) -> dict[str, Any]:
        """Return the state as builtins and bytes; doubt is kept as the difference to `seen`."""
        # The three bitmaps are almost equal: their differences compress to almost nothing.
        seen = self.seen.clone()
        self.sure ^= seen
        self.possible ^= seen
        try:
            return super().export()
        finally:
            self.sure ^= seen
            self.possible ^= seen

    def restored(self, state: Mapping[str, Any]) -> Self:
        """Return a criterion with a state that `export` made."""
        other = super().restored(state)
        other.sure ^= other.seen
        other.possible ^= other.seen
        return other


_ONES = np.array([bin(byte).count("1") for byte in range(256)], dtype=np.uint8)


def count_bits(bitmap: Bitmap) -> int:
    """Return the number of ones."""
    return int(_ONES[bitmap].sum(dtype=np.int64))


def check_width(name: str, batch: ActivationBatch, width: int) -> None:
    """Refuse a layer with another number of neurons than the reference had.

    Raises:
        LayerError: As said.
    """
    found = batch.width(name)
    if found != width:
        raise LayerError(
            f"layer {name!r} has {found} neurons here, but {width} in the reference",
            "Neuron by neuron comparison needs the same neurons.",
            "Give inputs of the shape the reference has (with idc_reduce = none every position is "
            "a neuron), or build the profile again.",
        )
