"""k-multisection neuron coverage: sections of each neuron's reference range that inputs hit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_deepimportance.criteria.base import register
from pytest_deepimportance.criteria.bits import BitCriterion, Bitmap, Pairs
from pytest_deepimportance.criteria.neuron_blocks import block_values
from pytest_deepimportance.criteria.sections import Grid, Indices
from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.statistics.bounds import Bounds

_FEW = 16
"""Below so many rows bits are set one row at a time, without a map of all sections."""


@register
class KMultisectionNeuronCoverage(BitCriterion):
    """KMNC = (neuron, section) pairs hit / (k x neurons).

    Ma et al.: DeepGauge, ASE 2018, definition of KMNCov: the reference range of each neuron is cut
    into k equal sections; values out of it hit none.

    Args:
        bounds: Reference range of each neuron.
        kmnc_sections: k.
        kmnc_edges: "both": the range's own ends belong to its first and last section, and a
            constant neuron has one section that can be hit; "right": sections (a, b]; "left":
            [a, b); constant neurons then have none.
        bounds_tolerance: A value beyond the range by less counts as its end.
        degenerate: "exclude" leaves constant neurons out.
    """

    name = "KMNC"
    needs = ("bounds",)
    options = ("kmnc_sections", "kmnc_edges", "bounds_tolerance", "degenerate")

    def __init__(
        self,
        bounds: Bounds,
        kmnc_sections: int = 1000,
        kmnc_edges: str = "both",
        bounds_tolerance: float = 1e-5,
        degenerate: str = "include",
    ) -> None:
        super().__init__({name: len(low) for name, low in bounds.low.items()}, kmnc_sections)
        self._degenerate = degenerate
        self._grid = Grid.of(bounds, kmnc_sections, kmnc_edges, bounds_tolerance)
        self.register_buffer("outside", torch.zeros(len(self.seen), dtype=torch.bool))

    def _update_part(self, batch: ActivationBatch, present: Sequence[str]) -> None:
        for block in self.blocks(present):
            own, grid = block_values(batch, block), self._grid.part(block.span)
            self.bitmap("outside")[block.span] |= grid.beyond(own)
            levels = [self.bitmap(name)[block.span] for name in ("possible", "seen", "sure")]
            set_bits(levels, grid.hits(own), self.places, len(batch))

    def _pairs(self, name: str, batch: ActivationBatch) -> Pairs:
        sections = self._grid.part(self.spans[name]).sections_of(batch.array(name))
        rows, neurons = np.nonzero(sections >= 0)
        return rows, neurons, sections[rows, neurons]

    def counted(self, name: str) -> NDArray[np.bool_] | None:
        """Leave constant neurons out where that is asked for."""
        return ~self._grid.constant[self.spans[name]] if self._degenerate == "exclude" else None

    def details(self, name: str) -> dict[str, int]:
        """Count the neurons that are constant in the reference, and those driven out of range."""
        return {
            "degenerate_neurons": int(self._grid.constant[self.spans[name]].sum()),
            "out_of_range_neurons": int(self.bitmap("outside")[self.spans[name]].sum()),
        }


def set_bits(levels: Sequence[Bitmap], hits: Sequence[Indices], places: int, rows: int) -> None:
    """Set the bits `hits` = neuron x places + place in bitmaps (U, bytes), one past the end: none.

    Args:
        levels: Bitmaps, each within the one before; what a level is hit by, those before it are.
        hits: For each level.
        rows: Rows that they come from, which decides what is faster.
    """
    units, size = levels[0].shape
    if rows < _FEW:
        for level, flat in enumerate(hits):
            flat = flat[flat < units * places]
            neuron, place = np.divmod(flat, places)
            at, bit = neuron * size + (place >> 3), np.left_shift(1, place & 7).astype(np.uint8)
            for bitmap in levels[: level + 1]:
                np.bitwise_or.at(bitmap.reshape(-1), at, bit)
        return
    hit = np.zeros(units * places + 1, dtype=np.uint8)
    for level, flat in enumerate(hits, 1):  # the surest last: it stays
        hit[flat] = level
    marks = hit[:-1].reshape(units, places)
    for level, bitmap in enumerate(levels):
        bitmap |= np.packbits(marks > level, axis=1, bitorder="little")
