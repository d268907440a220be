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
            hits = grid.hits(own)
            sure, seen, possible = (
                self.bitmap(b)[block.span] for b in ("sure", "seen", "possible")
            )
            set_bits([sure, seen, possible], hits.clear, self.places, len(batch))
            set_bits([sure, seen, possible], hits.sure, self.places)
            set_bits([seen, possible], hits.doubted, self.places)
            set_bits([possible], hits.beside, self.places)

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
class Hits:
    """What values hit, as flat indices neuron x k + section.

    Attributes:
        clear: Of every value (N, U); one past the end where another attribute tells.
        sure, doubted: Of the others: beyond doubt, and within rounding of a limit.
        beside: The sections on both sides of such a limit.
    """

    clear: Indices
    sure: Indices
    doubted: Indices
    beside: Indices


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

    def hits(self, own: BlockValues) -> Hits:
        """Return what the values hit."""
        values = own.values
        # A first position in the values' own precision, as a whole number of parts of a section;
        # where it is not clear which section it means, and beyond the ends of the range, it is
        # computed again exactly.
        section, unclear = self._first(values)
        self._add_ends(unclear, own)
        nothing = len(self.low) * self.sections
        rows, units = np.divmod(np.flatnonzero(unclear), len(self.low))
        section[rows, units] = nothing
        exact, sure, sides = self._exact(values[rows, units].astype(np.float64), units)
        base, inside = units * self.sections, exact >= 0
        return Hits(
            section,
            (base + exact)[inside & sure],
            (base + exact)[inside & ~sure],
            np.concatenate([(base + side)[~sure] for side in sides]),
        )

    def _first(self, values: NDArray[np.floating]) -> tuple[Indices, NDArray[np.bool_]]:
        """Return neuron x k + section of each value, and where it may be wrong, (N, U) both."""
        kind: Any = values.dtype
        k = self.sections
        scale = np.minimum(k / self.width, _STEEP)
        position: NDArray[Any] = values - self.low.astype(kind)
        position *= (scale * _PARTS).astype(kind)
        if self.edges == "both":  # the ends of the range are no limits between sections
            np.clip(position, _PARTS / 2, (k - 0.5) * _PARTS, out=position)
        else:
            np.clip(position, -_PARTS / 2, (k + 0.5) * _PARTS, out=position)
        parts: NDArray[Any] = position.astype(np.int32 if k * _PARTS < 1 << 30 else np.int64)
        error = 4 * np.finfo(kind).eps * (k + np.abs(self.low) * scale)
        slack = np.ceil((self.allowed / 2 * scale + error) * _PARTS) + 1
        slack = np.where(scale >= _STEEP, _PARTS, np.minimum(slack, _PARTS)).astype(parts.dtype)
        rest = parts + slack
        rest &= _PARTS - 1
        unclear: NDArray[np.bool_] = rest < 2 * slack
        parts >>= _PART_BITS
        section = parts.astype(np.int64)
        section += np.arange(len(self.low)) * k
        return section, unclear

    def _add_ends(self, unclear: NDArray[np.bool_], own: BlockValues) -> None:
        """Add to `unclear` the values beyond the range (or at an end that may not count)."""
        values, low, high = own.values, own.low, own.high
        if self.edges == "both":
            columns = np.flatnonzero((low < self.low) | (high > self.high))
            part = values[:, columns]
            unclear[:, columns] |= (part < self.low[columns]) | (part > self.high[columns])
        else:
            columns = np.flatnonzero((low <= self.low) | (high >= self.high))
            part = values[:, columns]
            unclear[:, columns] |= (part <= self.low[columns]) | (part >= self.high[columns])

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


def set_bits(bitmaps: list[Bitmap], flat: Indices, places: int, rows: int = 0) -> None:
    """Set the bits `flat` = neuron x places + place in bitmaps (U, bytes), one past the end: none.

    Args:
        rows: Rows that they come from, which decides what is faster; 0: a few single bits.
    """
    units, size = bitmaps[0].shape
    if rows < _FEW:
        flat = flat[flat < units * places]
        neuron, place = np.divmod(flat, places)
        at, bit = neuron * size + (place >> 3), np.left_shift(1, place & 7).astype(np.uint8)
        for bitmap in bitmaps:
            np.bitwise_or.at(bitmap.reshape(-1), at, bit)
        return
    hit = np.zeros(units * places + 1, dtype=bool)
    hit[flat.reshape(-1)] = True
    packed = np.packbits(hit[:-1].reshape(units, places), axis=1, bitorder="little")
    for bitmap in bitmaps:
        bitmap |= packed
