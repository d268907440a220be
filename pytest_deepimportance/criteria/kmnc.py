"""k-multisection neuron coverage: sections of each neuron's reference range that inputs hit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_deepimportance.criteria.base import register
from pytest_deepimportance.criteria.bits import BitCriterion, Bitmap, Pairs
from pytest_deepimportance.criteria.corners import joined
from pytest_deepimportance.criteria.neuron_blocks import BlockValues, block_values
from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.statistics.bounds import Bounds

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

_FEW = 16
"""Below so many rows bits are set one row at a time, without a map of all sections."""

_STEEP = 1e30
"""Sections per unit of a neuron whose range is too short for a first position."""


_PART_BITS = 10
_PARTS = 1 << _PART_BITS
"""Parts of a section in which a first position is told."""


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


@dataclass(frozen=True)
class Grid:
    """The sections of neurons.

    Attributes:
        low, high: Reference range, (U,).
        width: Its length, infinite for a constant neuron, whose only section is the first.
        allowed: By how much a value may lie beyond it, (U,).
        edges: See `KMultisectionNeuronCoverage`.
    """

    low: Floats
    high: Floats
    width: Floats
    allowed: Floats
    constant: NDArray[np.bool_]
    sections: int
    edges: str

    @classmethod
    def of(cls, bounds: Bounds, sections: int, edges: str, tolerance: float) -> Grid:
        """Return the grid of all layers' neurons, one layer after another."""
        names = list(bounds.low)
        low, high = (joined([side[n] for n in names]) for side in (bounds.low, bounds.high))
        allowed = joined([bounds.tolerance(name, tolerance) for name in names])
        width = np.where(low == high, np.inf, high - low)
        return cls(low, high, width, allowed, low == high, sections, edges)

    def part(self, span: slice) -> Grid:
        """Return the grid of some neighbouring neurons."""
        return Grid(
            self.low[span],
            self.high[span],
            self.width[span],
            self.allowed[span],
            self.constant[span],
            self.sections,
            self.edges,
        )

    def beyond(self, own: BlockValues) -> NDArray[np.bool_]:
        """Return which neurons have a value out of their range, (U,)."""
        return (own.low < self.low - self.allowed) | (own.high > self.high + self.allowed)

    def sections_of(self, values: NDArray[np.floating]) -> Indices:
        """Return the section of each value (N, U), -1 for none, (N, U)."""
        units = np.tile(np.arange(len(self.low)), len(values))
        section, _, _ = self._exact(values.astype(np.float64).reshape(-1), units)
        return section.reshape(values.shape)

    def hits(self, own: BlockValues) -> tuple[Indices, Indices, Indices]:
        """Return what the values hit, as flat indices neuron x k + section, in three parts.

        The first may be hit (it lies beside a limit within rounding of a value), the second is,
        the third is beyond doubt; an index past the end means nothing.
        """
        # A first position in the values' own precision, as a whole number of parts of a section;
        # where it is not clear which section it means, it is computed again exactly.
        section, unclear = self._first(own.values)
        self._add_ends(unclear, own)
        at = np.flatnonzero(unclear)
        units = at % len(self.low)
        exact, sure, sides = self._exact(own.values.reshape(-1)[at].astype(np.float64), units)
        base, inside = units * self.sections, exact >= 0
        flat, nothing = section.reshape(-1), len(self.low) * self.sections
        flat[at] = np.where(inside & sure, base + exact, nothing)
        return (
            np.concatenate([(base + side)[~sure] for side in sides]),
            (base + exact)[inside & ~sure],
            flat,
        )

    def _first(self, values: NDArray[np.floating]) -> tuple[Indices, NDArray[np.bool_]]:
        """Return neuron x k + section of each value, and where it may be wrong, (N, U) both.

        Not told are values below the range and those beyond a constant neuron's.
        """
        kind: Any = values.dtype
        k = self.sections
        scale = np.minimum(k / self.width, _STEEP)
        position: NDArray[Any] = values - self.low.astype(kind)
        position *= (scale * _PARTS).astype(kind)
        # Values above the range become its end, which is a limit and so never clear. The lower end
        # is no limit where it belongs to the first section: many values of a ReLU lie on it.
        np.clip(position, _PARTS / 2 if self.edges == "both" else 0, k * _PARTS, out=position)
        small = len(self.low) * k * _PARTS < 1 << 30
        parts: NDArray[Any] = position.astype(np.int32 if small else np.int64)
        error = 4 * np.finfo(kind).eps * (k + np.abs(self.low) * scale)
        slack = np.ceil((self.allowed / 2 * scale + error) * _PARTS) + 1
        slack = np.where(scale >= _STEEP, _PARTS, np.minimum(slack, _PARTS)).astype(parts.dtype)
        # A clear position is in the same section with the slack added to it.
        parts += (np.arange(len(slack)) * k * _PARTS + slack).astype(parts.dtype)
        unclear: NDArray[np.bool_] = (parts & (_PARTS - 1)) < 2 * slack
        parts >>= _PART_BITS
        return parts.astype(np.int64, copy=False), unclear

    def _add_ends(self, unclear: NDArray[np.bool_], own: BlockValues) -> None:
        """Add to `unclear` what a first position does not tell where an end is a section's own."""
        if self.edges != "both":  # both ends are limits
            return
        columns = np.flatnonzero((own.low < self.low) | self.constant & (own.high > self.high))
        part = own.values[:, columns]
        unclear[:, columns] |= (part < self.low[columns]) | (part > self.high[columns])

    def _exact(
        self, values: Floats, units: Indices
    ) -> tuple[Indices, NDArray[np.bool_], tuple[Indices, Indices]]:
        """Return section (-1: none), whether it is beyond doubt, and the sections on both sides."""
        low, high, allowed = self.low[units], self.high[units], self.allowed[units]
        position = (values - low) / self.width[units] * self.sections
        if self.edges == "right":
            inside = (values > low) & (values <= high + allowed)
            section = np.ceil(position) - 1
        elif self.edges == "left":
            inside = (values >= low - allowed) & (values < high)
            section = np.floor(position)
        else:
            inside = (values >= low - allowed) & (values <= high + allowed)
            section = np.floor(position)
        if self.edges != "both":
            inside &= ~self.constant[units]
        last = self.sections - 1
        section = np.where(inside, np.clip(section, 0, last), -1)
        # In doubt: within rounding of a limit between sections, or of where the range ends.
        room = allowed / 2
        shift = room / self.width[units] * self.sections
        limit = np.rint(position)
        between = (np.abs(position - limit) < shift) & (limit > 0) & (limit < last + 1)
        start, stop = low - allowed, high + allowed
        if self.edges == "right":
            start = low
        elif self.edges == "left":
            stop = high
        outer = (np.abs(values - start) < room) | (np.abs(values - stop) < room)
        sides = (
            np.clip(np.where(between, limit - 1, section), 0, last),
            np.clip(np.where(between, limit, position), 0, last),
        )
        sure = ~(between | outer)
        return (section.astype(np.int64), sure, (_whole(sides[0]), _whole(sides[1])))


def _whole(values: Floats) -> Indices:
    return np.asarray(np.floor(values).astype(np.int64))


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
