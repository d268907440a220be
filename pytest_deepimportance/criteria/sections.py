"""The sections that KMNC cuts each neuron's reference range into, and which of them values hit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_deepimportance.criteria.corners import joined
from pytest_deepimportance.criteria.neuron_blocks import BlockValues
from pytest_deepimportance.statistics.bounds import Bounds

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

_STEEP = 1e30
"""Sections per unit of a neuron whose range is too short for a first position."""


_PART_BITS = 10
_PARTS = 1 << _PART_BITS
"""Parts of a section in which a first position is told."""

_ALL = slice(None)

_COMMON = 16
"""Parts of a section that may be left to exact computation for the sake of one common number."""


@dataclass(frozen=True)
class Grid:
    """The sections of neurons.

    Attributes:
        low, high: Reference range, (U,).
        width: Its length, infinite for a constant neuron, whose only section is the first.
        allowed: By how much a value may lie beyond it, (U,).
        edges: Which of its ends a section has, see the setting `kmnc_edges`.
    """

    low: Floats
    high: Floats
    width: Floats
    allowed: Floats
    constant: NDArray[np.bool_]
    sections: int
    edges: str
    _steps: dict[np.dtype[Any], Steps] = field(default_factory=dict, compare=False, repr=False)
    _parts: dict[tuple[int, int], Grid] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, bounds: Bounds, sections: int, edges: str, tolerance: float) -> Grid:
        """Return the grid of all layers' neurons, one layer after another."""
        names = list(bounds.low)
        low, high = (joined([side[n] for n in names]) for side in (bounds.low, bounds.high))
        allowed = joined([bounds.tolerance(name, tolerance) for name in names])
        width = np.where(low == high, np.inf, high - low)
        return cls(low, high, width, allowed, low == high, sections, edges)

    def part(self, span: slice) -> Grid:
        """Return the grid of some neighbouring neurons; it is asked for with every chunk."""
        ends = span.start, span.stop
        if ends not in self._parts:
            self._parts[ends] = Grid(
                self.low[span],
                self.high[span],
                self.width[span],
                self.allowed[span],
                self.constant[span],
                self.sections,
                self.edges,
            )
        return self._parts[ends]

    def beyond(self, own: BlockValues) -> NDArray[np.bool_]:
        """Return which neurons have a value out of their range, (U,)."""
        return (own.low < self.low - self.allowed) | (own.high > self.high + self.allowed)

    def sections_of(self, values: NDArray[np.floating]) -> Indices:
        """Return the section of each value (N, U), -1 for none, (N, U)."""
        _, section = self._section(values.astype(np.float64))
        return section.astype(np.int64)

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
        steps = self._steps_for(values.dtype)
        position = torch.addcmul(steps.start, torch.from_numpy(values), steps.scale)
        position.clamp_(*steps.ends)
        parts = position.to(steps.base.dtype)
        unclear: NDArray[np.bool_] = (parts.numpy() & (_PARTS - 1)) < steps.unclear
        parts += steps.base
        parts >>= _PART_BITS
        return parts.to(torch.int64).numpy(), unclear

    def _steps_for(self, kind: np.dtype[Any]) -> Steps:
        if kind not in self._steps:
            self._steps[kind] = Steps.of(self, kind)
        return self._steps[kind]

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
        position, section = self._section(values, units)
        low, high, allowed = self.low[units], self.high[units], self.allowed[units]
        last = self.sections - 1
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

    def _section(self, values: Floats, units: Indices | slice = _ALL) -> tuple[Floats, Floats]:
        """Return the position of each value in its range, in sections, and its section (-1: none).

        Args:
            values: (E,), or (N, U).
            units: Their neurons, (E,); all U.
        """
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
        return position, np.where(inside, np.clip(section, 0, self.sections - 1), -1)


class Steps(NamedTuple):
    """How first positions are found: in parts of a section, each with a slack added to it.

    A position that is clear is in the same section without the slack.

    Attributes:
        start, scale: Of each neuron: position = start + scale x value, (U,).
        ends: What positions are kept within.
        unclear: A position at most so far from the beginning of its section is not clear; a
            number, or one for each neuron.
        base: Where the sections of each neuron begin, (U,).
    """

    start: torch.Tensor
    scale: torch.Tensor
    ends: tuple[float, float]
    unclear: int | NDArray[np.integer]
    base: torch.Tensor

    @classmethod
    def of(cls, grid: Grid, kind: np.dtype[Any]) -> Steps:
        """Return the steps for values of this precision."""
        units, end = len(grid.low), grid.sections * _PARTS
        scale = np.minimum(grid.sections / grid.width, _STEEP)
        error = 4 * np.finfo(kind).eps * (grid.sections + np.abs(grid.low) * scale)
        slack = np.ceil((grid.allowed / 2 * scale + error) * _PARTS) + 1
        slack = np.where(scale >= _STEEP, _PARTS, np.minimum(slack, _PARTS))
        least, most = int(slack.min(initial=_PARTS)), int(slack.max(initial=0))
        if most <= _COMMON:  # one number for all neurons is compared faster
            slack, least = np.full(units, float(most)), most
        whole = np.dtype(np.int32 if units * end < 1 << 30 else np.int64)
        with np.errstate(over="ignore"):
            start = (slack - grid.low * scale * _PARTS).astype(kind)
            scale = (scale * _PARTS).astype(kind)
        return cls(
            torch.from_numpy(start),
            torch.from_numpy(scale),
            # Values above the range become its end, which is a limit and so never clear. Many
            # values of a ReLU lie on the lower end, which is none if the first section has it.
            (_PARTS / 2 if grid.edges == "both" else 0.0, float(end + least)),
            2 * most if least == most else 2 * slack.astype(whole),
            torch.from_numpy(np.arange(units, dtype=whole) * end),
        )


def _whole(values: Floats) -> Indices:
    return np.asarray(np.floor(values).astype(np.int64))
