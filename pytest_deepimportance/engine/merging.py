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

    A block that keeps rows comes before them: it may hold states of a user's criteria.
    """
    run: list[_Kept] = []
    size = 0
    for state in states:
        if run and not state.kept:
            yield _joined(run)
            run, size = [], 0
        yield state
        start = 0
        for sheet in state.kept:
            if run and (size > _JOINED_BYTES or not run[-1].continues(state, sheet)):
                yield _joined(run)
                run, size = [], 0
            run.append(_Kept(state, sheet, slice(start, start + len(sheet))))
            start += len(sheet)
            size += sheet.values.nbytes
    if run:
        yield _joined(run)


class _Kept(NamedTuple):
    """One sheet of a block and where its rows stand among the block's."""

    state: BlockState
    sheet: Sheet
    rows: slice

    def continues(self, state: BlockState, sheet: Sheet) -> bool:
        return sheet.fits(self.sheet) and state.waiting == self.state.waiting


def _joined(run: Sequence[_Kept]) -> KeptRows:
    rows = [len(kept.sheet) for kept in run]
    confidences = [kept.state.confidence for kept in run]
    tags = [kept.state.tags for kept in run]
    batch = ActivationBatch(
        Sheet.joined([kept.sheet for kept in run]).layers(),
        np.concatenate([kept.state.digests[kept.rows] for kept in run]),
        np.concatenate([kept.state.predictions[kept.rows] for kept in run]),
        np.concatenate([kept.state.labels[kept.rows] for kept in run]),
        joined_confidence(
            [c if c is None else c[k.rows] for c, k in zip(confidences, run, strict=True)], rows
        ),
        joined_tags([t if t is None else t[k.rows] for t, k in zip(tags, run, strict=True)], rows),
    )
    return KeptRows(batch, run[0].state.waiting)
