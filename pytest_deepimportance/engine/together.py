"""Small blocks, reduced to their states with few operations for many of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.criteria.base import Criterion
from pytest_deepimportance.data.digests import among
from pytest_deepimportance.data.sheets import Sheet, SheetLayers
from pytest_deepimportance.engine.kept import fits, to_be_kept
from pytest_deepimportance.engine.reducing import state_of
from pytest_deepimportance.engine.states import NOTHING, BlockState
from pytest_deepimportance.recording.blocks import Block
from pytest_deepimportance.recording.recorded import RecordedPass
from pytest_deepimportance.thresholds import MEASURED


class Alone(NamedTuple):
    """What there is of a block of one pass that could be kept as it is, and no more than that.

    Ten thousand of these wait, and whatever is held makes Python look for garbage more often.
    """

    key: str
    kind: str
    recorded: RecordedPass

    @classmethod
    def of(cls, block: Block) -> Alone | None:
        """Return that of a block; None where there are other passes, or more to say of this one."""
        passes = block.passes
        if len(passes) != 1 or block.train_mode_passes:
            return None
        recorded = passes[0]
        if recorded.is_attack or recorded.thumbnails is not None:
            return None
        return cls(block.key, block.kind, recorded)

    def block(self) -> Block:
        """Return a block with this pass."""
        block = Block(self.key, self.kind)
        block.commit(self.recorded)
        return block


class _Small(NamedTuple):
    """A block of one small pass, whose rows are kept; names as in `BlockState`."""

    of: Alone
    digests: NDArray[np.uint64]
    predictions: NDArray[np.int64]
    confidence: NDArray[np.float32] | None
    kept: Sheet
    devices: tuple[str, ...]


def states_of(
    blocks: Sequence[Block | Alone],
    criteria: Mapping[str, Criterion],
    reference: NDArray[np.uint64] | None,
) -> list[BlockState]:
    """Return the state of each block, as `state_of` does.

    A block of one small pass, as that of most tests, keeps its rows. There is nothing to measure
    then; what is asked of rows (are they finite, are they in the reference) is asked of all.
    """
    alone = [Alone.of(block) if isinstance(block, Block) else block for block in blocks]
    waits = all(name in MEASURED for name in criteria)
    small = _finite([found for one in alone if one and waits and (found := _small(one))])
    leaked = _leaked(small, reference)
    waiting = tuple(criteria)
    ready = {id(found.of): _state(found, waiting, leaked) for found in small}
    return [
        ready.get(id(one)) or state_of(_whole(block), criteria, reference)
        for one, block in zip(alone, blocks, strict=True)
    ]


def _whole(block: Block | Alone) -> Block:
    return block if isinstance(block, Block) else block.block()


def _small(alone: Alone) -> _Small | None:
    recorded = alone.recorded
    if recorded.written:
        layers, digests, predictions, confidence = recorded.found()
        sheet = layers.sheet if isinstance(layers, SheetLayers) else None
        if sheet is not None and fits(len(digests), sheet.values.nbytes):
            return _Small(alone, digests, predictions, confidence, sheet.apart(), ("cpu",))
    batch = recorded.batch
    kept = to_be_kept((batch,))
    if not kept:
        return None
    devices = tuple(sorted(batch.devices))
    return _Small(alone, batch.digests, batch.predictions, batch.confidence, kept[0], devices)


def _finite(small: list[_Small]) -> list[_Small]:
    """Return the blocks all of whose rows are finite."""
    values = [found.kept.values for found in small]
    if not values or np.isfinite(np.concatenate(values, axis=None)).all():
        return small
    return [found for found in small if np.isfinite(found.kept.values).all()]


def _leaked(small: Sequence[_Small], reference: NDArray[np.uint64] | None) -> set[int]:
    """Return the digests that are in the reference too."""
    if reference is None or not small:
        return set()
    digests = np.concatenate([found.digests for found in small])
    return set(digests[among(digests, reference)].tolist())


def _state(found: _Small, waiting: tuple[str, ...], leaked: set[int]) -> BlockState:
    alone = found.of
    recorded = alone.recorded
    leaks = bool(leaked) and not leaked.isdisjoint(found.digests.tolist())
    return BlockState(
        alone.key,
        alone.kind,
        1,
        found.digests,
        recorded.labels,
        found.predictions,
        NOTHING,
        NOTHING,
        0,
        recorded.classes,
        found.confidence,
        NOTHING,
        NOTHING if leaks else None,
        recorded.tags,
        found.devices,
        NOTHING,
        (found.kept,),
        waiting,
    )
