"""k-multisection neuron coverage: sections of each neuron's reference range that inputs hit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_deepimportance.criteria.base import register
from pytest_deepimportance.criteria.bits import BitCriterion, Bitmap, extremes
from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.statistics.bounds import Bounds

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

_FEW = 16
"""Below so many rows bits are set one row at a time, without a map of all sections."""

_STEEP = 1e30
"""Sections per unit of a neuron whose range is too short for a first position."""


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
        self._grids = {
            name: Grid.of(bounds, name, kmnc_sections, kmnc_edges, bounds_tolerance)
            for name in self.layers
        }
        outside = torch.zeros(len(self.seen), dtype=torch.bool)
        self.register_buffer("outside", outside)

    def _update_layer(self, name: str, batch: ActivationBatch) -> None:
        grid, span = self._grids[name], self._spans[name]
        low, high = extremes(batch, name)
        beyond = (low < grid.low - grid.allowed) | (high > grid.high + grid.allowed)
        self.bitmap("outside")[span] |= beyond
        hits = grid.hits(batch.array(name), low, high)
        sure, seen, possible = (self.bitmap(b)[span] for b in ("sure", "seen", "possible"))
        set_bits([sure, seen, possible], hits.clear, self.places, len(batch))
        set_bits([sure, seen, possible], hits.sure, self.places)
        set_bits([seen, possible], hits.doubted, self.places)
        set_bits([possible], hits.beside, self.places)

    def counted(self, name: str) -> NDArray[np.bool_] | None:
        """Leave constant neurons out where that is asked for."""
        return ~self._grids[name].constant if self._degenerate == "exclude" else None

    def details(self, name: str) -> dict[str, int]:
        """Count the neurons that are constant in the reference, and those driven out of range."""
        return {
            "degenerate_neurons": int(self._grids[name].constant.sum()),
            "out_of_range_neurons": int(self.bitmap("outside")[self._spans[name]].sum()),
        }


@dataclass(frozen=True)
class Hits:
    """What values hit, as flat indices neuron x k + section.

    Attributes:
        clear: Of every value (N, U); one past the end where another attribute tells.
        sure, doubted: Of the others: beyond doubt, and within rounding of a limit.
        beside: The sections on both sides of such a limit.
    """

    clear: NDArray[np.integer]
    sure: Indices
    doubted: Indices
    beside: Indices


@dataclass(frozen=True)
class Grid:
    """The sections of a layer's neurons.

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
    def of(cls, bounds: Bounds, name: str, sections: int, edges: str, tolerance: float) -> Grid:
        """Return the grid of one layer."""
        low, high, constant = bounds.low[name], bounds.high[name], bounds.constant(name)
        width = np.where(constant, np.inf, high - low)
        return cls(low, high, width, bounds.tolerance(name, tolerance), constant, sections, edges)

    def hits(
        self, values: NDArray[np.floating], low: NDArray[np.floating], high: NDArray[np.floating]
    ) -> Hits:
        """Return what values (N, U) hit; `low` and `high` are their own extremes, (U,)."""
        # A first position in the values' own precision; where it is not clear which section it
        # means, and beyond the ends of the range, it is computed again exactly.
        kind: Any = values.dtype
        scale = self.sections / self.width
        position: NDArray[Any] = values - self.low.astype(kind)
        position *= np.minimum(scale, _STEEP).astype(kind)
        if self.edges == "both":  # the ends of the range are no limits between sections
            np.clip(position, 0.5, self.sections - 0.5, out=position)
        else:
            np.clip(position, -0.5, self.sections + 0.5, out=position)
        nothing = len(self.low) * self.sections
        small = nothing < 1 << 31
        section: NDArray[np.integer] = position.astype(np.int32 if small else np.int64)
        position -= section
        position -= kind.type(0.5)
        np.abs(position, out=position)
        error = 4 * np.finfo(kind).eps * (self.sections + np.abs(self.low) * scale)
        slack = np.minimum(self.allowed / 2 * scale + error, 0.5)
        slack[scale >= _STEEP] = 0.5
        unclear: NDArray[np.bool_] = position >= (0.5 - slack).astype(kind)
        self._add_ends(unclear, values, low, high)
        section += np.arange(len(self.low), dtype=section.dtype) * self.sections
        rows, units = np.nonzero(unclear)
        section[rows, units] = nothing
        own, sure, sides = self._exact(values[rows, units].astype(np.float64), units)
        base, inside = units * self.sections, own >= 0
        return Hits(
            section,
            (base + own)[inside & sure],
            (base + own)[inside & ~sure],
            np.concatenate([(base + side)[~sure] for side in sides]),
        )

    def _add_ends(
        self,
        unclear: NDArray[np.bool_],
        values: NDArray[np.floating],
        low: NDArray[np.floating],
        high: NDArray[np.floating],
    ) -> None:
        """Add to `unclear` the values beyond the range (or at an end that may not count)."""
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


def set_bits(bitmaps: list[Bitmap], flat: NDArray[np.integer], places: int, rows: int = 0) -> None:
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
