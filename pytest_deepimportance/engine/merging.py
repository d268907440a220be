"""Blocks taken together: states are merged, and rows that were kept are measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

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
    run: list[BlockState] = []
    size = 0
    for state in states:
        if run and not state.kept:
            yield _joined(run)
            run, size = [], 0
        if state.criteria or not state.kept:
            yield state
        for part in (state,) if len(state.kept) == 1 else _by_sheet(state):
            sheet = part.kept[0]
            if run and (size > _JOINED_BYTES or not _alike(run[0], part)):
                yield _joined(run)
                run, size = [], 0
            run.append(part)
            size += sheet.values.nbytes
    if run:
        yield _joined(run)


def _by_sheet(state: BlockState) -> Iterator[BlockState]:
    """Yield the rows of each sheet that a block kept as a block of their own."""
    start = 0
    for sheet in state.kept:
        rows = slice(start, start + len(sheet))
        start = rows.stop
        yield state._replace(
            digests=state.digests[rows],
            labels=state.labels[rows],
            predictions=state.predictions[rows],
            confidence=None if state.confidence is None else state.confidence[rows],
            tags=None if state.tags is None else state.tags[rows],
            kept=(sheet,),
        )


def _alike(one: BlockState, other: BlockState) -> bool:
    """Whether the sheets of both can be joined."""
    return other.waiting == one.waiting and other.kept[0].fits(one.kept[0])


def _joined(run: Sequence[BlockState]) -> KeptRows:
    """Return the rows of blocks that kept one sheet each."""
    rows = [len(state.digests) for state in run]
    batch = ActivationBatch(
        Sheet.joined([state.kept[0] for state in run]).layers(),
        np.concatenate([state.digests for state in run]),
        np.concatenate([state.predictions for state in run]),
        np.concatenate([state.labels for state in run]),
        joined_confidence([state.confidence for state in run], rows),
        joined_tags([state.tags for state in run], rows),
    )
    return KeptRows(batch, run[0].waiting)
