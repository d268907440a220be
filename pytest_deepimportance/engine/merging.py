"""Blocks taken together: states are merged, and rows that were kept are measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.clustering.combinations import CombinationSpace
from pytest_deepimportance.criteria.base import Criterion, naming
from pytest_deepimportance.data.activations import ActivationBatch, joined_confidence
from pytest_deepimportance.data.digests import among
from pytest_deepimportance.data.sheets import Sheet
from pytest_deepimportance.data.tags import joined_tags
from pytest_deepimportance.engine.kept import take_in
from pytest_deepimportance.engine.reducing import encoded
from pytest_deepimportance.engine.states import BlockState, new_criteria
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.settings import Settings
from pytest_deepimportance.thresholds import IDC

_Number = TypeVar("_Number", bound=np.generic)

_JOINED_BYTES = 1 << 26
"""Kept rows that are joined at a time, at most."""


class KeptRows(NamedTuple):
    """Rows that blocks, one after another, kept.

    Attributes:
        waiting: Names of the criteria that measure them now.
    """

    batch: ActivationBatch
    waiting: tuple[str, ...]


def merged_criteria(
    states: Sequence[BlockState],
    profile: Profile,
    settings: Settings,
    names: Sequence[str] | None = None,
    *,
    leaks: bool = True,
) -> dict[str, Criterion]:
    """Return each criterion over all blocks, taken in in the order of their keys.

    Args:
        names: Of the criteria that are wanted; None: all.
        leaks: Whether rows that are in the reference too count.
    """
    criteria = new_criteria(profile, settings)
    chosen = {n: c for n, c in criteria.items() if names is None or n in names}
    # Of each kind of block that only keeps rows: a criterion that did not wait is missed here.
    for state in {state.waiting: state for state in states if state.kept}.values():
        if not state.criteria:
            _absorb(chosen, state, leaks)
    for part in in_order(sorted(states, key=lambda state: state.key)):
        if isinstance(part, BlockState):
            _absorb(chosen, part, leaks)
        else:
            batch = part.batch
            if not leaks and profile.digests is not None:
                batch = batch.select(~among(batch.digests, profile.digests))
            take_in({n: c for n, c in chosen.items() if n in part.waiting}, [batch])
    return chosen


def _absorb(criteria: dict[str, Criterion], state: BlockState, leaks: bool) -> None:
    without = state.without_leaks
    exported = state.criteria if leaks or without is None else without
    for name, criterion in criteria.items():
        if name not in state.waiting:
            with naming(name):
                criterion.absorb(exported[name])


def codes_of(states: Sequence[BlockState], space: CombinationSpace) -> NDArray[np.uint8] | None:
    """Return the combination of each row in a space of all classes, (N, M), in the order of blocks.

    UNVISITED where a row's pass missed the layer; None where a block was not measured for IDC.
    """
    if any(space.name not in state.codes and IDC not in state.waiting for state in states):
        return None
    parts = []
    for part in in_order(states):
        if isinstance(part, KeptRows):
            parts.append(encoded(space, [part.batch]))
        elif space.name in part.codes:
            parts.append(part.codes[space.name])
    return np.concatenate(parts) if parts else encoded(space, [])


def in_order(states: Sequence[BlockState]) -> Iterator[BlockState | KeptRows]:
    """Yield each block, and the rows that blocks kept, joined, where they stand among the others.

    A block that keeps rows comes before them if it holds states of a user's criteria too; else its
    rows are all there is of it.
    """
    run = _Run()
    for state in states:
        if run.parts and not state.kept:
            yield run.joined()
            run = _Run()
        if state.criteria or not state.kept:
            yield state
        start = 0
        for sheet in state.kept:
            if run.parts and not run.goes_on(state, sheet):
                yield run.joined()
                run = _Run()
            start = run.add(state, sheet, start)
    if run.parts:
        yield run.joined()


class _Part(NamedTuple):
    """One sheet of a block and where its rows stand among the block's."""

    state: BlockState
    sheet: Sheet
    start: int
    stop: int

    def of(self, array: NDArray[_Number]) -> NDArray[_Number]:
        """Return its rows of what the block holds for each row."""
        return array if self.stop - self.start == len(array) else array[self.start : self.stop]


class _Run:
    """Sheets, one after another, that are joined."""

    def __init__(self) -> None:
        self.parts: list[_Part] = []
        self._size = 0

    def goes_on(self, state: BlockState, sheet: Sheet) -> bool:
        """Whether this sheet can be joined too."""
        first = self.parts[0]
        return (
            self._size <= _JOINED_BYTES
            and state.waiting == first.state.waiting
            and sheet.fits(first.sheet)
        )

    def add(self, state: BlockState, sheet: Sheet, start: int) -> int:
        """Take in a sheet whose rows begin at `start`, and return where they end."""
        values = sheet.values
        stop = start + len(values)
        self.parts.append(_Part(state, sheet, start, stop))
        self._size += values.nbytes
        return stop

    def joined(self) -> KeptRows:
        """Return the rows of all sheets."""
        parts = self.parts
        rows = [part.stop - part.start for part in parts]
        sures = [part.state.confidence for part in parts]
        tags = [part.state.tags for part in parts]
        batch = ActivationBatch(
            Sheet.joined([part.sheet for part in parts]).layers(),
            np.concatenate([part.of(part.state.digests) for part in parts]),
            np.concatenate([part.of(part.state.predictions) for part in parts]),
            np.concatenate([part.of(part.state.labels) for part in parts]),
            joined_confidence(
                [c if c is None else p.of(c) for c, p in zip(sures, parts, strict=True)], rows
            ),
            joined_tags(
                [t if t is None else p.of(t) for t, p in zip(tags, parts, strict=True)], rows
            ),
        )
        return KeptRows(batch, parts[0].state.waiting)
