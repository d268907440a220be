"""Small blocks, reduced to their states with few operations for many of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.criteria.base import Criterion
from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.data.digests import among
from pytest_deepimportance.data.sheets import Sheet
from pytest_deepimportance.engine.kept import to_be_kept
from pytest_deepimportance.engine.reducing import state_of
from pytest_deepimportance.engine.states import BlockState
from pytest_deepimportance.recording.blocks import Block
from pytest_deepimportance.thresholds import MEASURED

_NOTHING: Mapping[Any, Any] = {}


class _Small(NamedTuple):
    """A block of one small pass, whose rows are kept."""

    block: Block
    batch: ActivationBatch
    kept: tuple[Sheet, ...]
    scored: int


def states_of(
    blocks: Sequence[Block], criteria: Mapping[str, Criterion], reference: NDArray[np.uint64] | None
) -> list[BlockState]:
    """Return the state of each block, as `state_of` does.

    A block of one small pass, as that of most tests, keeps its rows. There is nothing to measure
    then; what is asked of rows (are they finite, are they in the reference) is asked of all.
    """
    waits = all(name in MEASURED for name in criteria)
    small = _finite([found for block in blocks if waits and (found := _small(block))])
    leaked = _leaked(small, reference)
    waiting = tuple(criteria)
    ready = {id(found.block): _state(found, waiting, leaked) for found in small}
    return [ready.get(id(block)) or state_of(block, criteria, reference) for block in blocks]


def _small(block: Block) -> _Small | None:
    passes = block.passes
    if len(passes) != 1 or passes[0].is_attack or passes[0].thumbnails is not None:
        return None
    batch = passes[0].batch
    kept = to_be_kept((batch,))
    return _Small(block, batch, kept, passes[0].classes) if kept else None


def _finite(small: list[_Small]) -> list[_Small]:
    """Return the blocks all of whose rows are finite."""
    values = [sheet.values for found in small for sheet in found.kept]
    if not values or np.isfinite(np.concatenate(values, axis=None)).all():
        return small
    return [found for found in small if found.batch.finite().all()]


def _leaked(small: Sequence[_Small], reference: NDArray[np.uint64] | None) -> set[int]:
    """Return the digests that are in the reference too."""
    if reference is None or not small:
        return set()
    digests = np.concatenate([found.batch.digests for found in small])
    return set(digests[among(digests, reference)].tolist())


def _state(found: _Small, waiting: tuple[str, ...], leaked: set[int]) -> BlockState:
    block, batch = found.block, found.batch
    leaks = bool(leaked) and not leaked.isdisjoint(batch.digests.tolist())
    return BlockState(
        block.key,
        block.kind,
        1,
        batch.digests,
        batch.labels,
        batch.predictions,
        _NOTHING,
        _NOTHING,
        block.train_mode_passes,
        found.scored,
        batch.confidence,
        _NOTHING,
        _NOTHING if leaks else None,
        batch.tags,
        tuple(sorted(batch.devices)),
        _NOTHING,
        found.kept,
        waiting,
    )
