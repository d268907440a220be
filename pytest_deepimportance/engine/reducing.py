"""What a block recorded, reduced to its state: measured, or kept where it is small."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.clustering.combinations import CombinationSpace
from pytest_deepimportance.criteria.base import Criterion
from pytest_deepimportance.criteria.idc import ImportanceDrivenCoverage
from pytest_deepimportance.data.activations import ActivationBatch, joined_confidence
from pytest_deepimportance.data.digests import among
from pytest_deepimportance.data.tags import joined_tags
from pytest_deepimportance.data.thumbnails import Thumbnail
from pytest_deepimportance.engine.kept import take_in, to_be_kept
from pytest_deepimportance.engine.states import UNVISITED, BlockState
from pytest_deepimportance.pictures import SHOWN
from pytest_deepimportance.recording.blocks import Block
from pytest_deepimportance.statistics.rows import openings
from pytest_deepimportance.thresholds import MEASURED


def state_of(
    block: Block, criteria: Mapping[str, Criterion], reference: NDArray[np.uint64] | None = None
) -> BlockState:
    """Reduce what a block recorded: a few rows are kept, many are measured.

    Args:
        criteria: By name; they stay as they are (`fresh` ones are made of them).
        reference: Digests of the reference inputs, ascending; None where they are not known.
    """
    batches, idc = block.batches(), criteria.get("IDC")
    kept = to_be_kept(batches)
    waiting = tuple(name for name in criteria if kept and name in MEASURED)
    state = measured(
        block.key,
        block.kind,
        batches,
        {name: criterion for name, criterion in criteria.items() if name not in waiting},
        reference=reference,
        passes=block.counted_passes,
        non_finite=block.non_finite,
        train_mode_passes=block.train_mode_passes,
        scored=block.scored,
    )
    return state._replace(
        kept=kept if waiting else (), waiting=waiting, thumbnails=_thumbnails(block, idc)
    )


def _thumbnails(block: Block, idc: Criterion | None) -> dict[int, Thumbnail]:
    """Return images of the first inputs that opened a combination within the block."""
    spaces = _whole_spaces(idc)
    if len(spaces) != 1 or all(recorded.thumbnails is None for recorded in block.passes):
        return {}
    batches = block.batches()
    digests = _joined([batch.digests for batch in batches], np.dtype(np.uint64))
    codes = encoded(spaces[0], batches)
    visited = ~(codes == UNVISITED).all(axis=1)
    rows, new = openings(digests, codes[:, : spaces[0].m], visited)
    return block.thumbnails(digests[rows[new]][:SHOWN])


def measured(
    key: str,
    kind: str,
    batches: Sequence[ActivationBatch],
    criteria: Mapping[str, Criterion],
    *,
    reference: NDArray[np.uint64] | None = None,
    passes: int = 1,
    non_finite: Mapping[str, int],
    train_mode_passes: int = 0,
    scored: int = 0,
) -> BlockState:
    """Measure batches of finite rows as one block; see `BlockState` and `state_of`."""
    states = _exported(batches, criteria)
    return BlockState(
        key=key,
        kind=kind,
        passes=passes,
        digests=_joined([batch.digests for batch in batches], np.dtype(np.uint64)),
        labels=_joined([batch.labels for batch in batches], np.dtype(np.int64)),
        predictions=_joined([batch.predictions for batch in batches], np.dtype(np.int64)),
        criteria=states,
        non_finite={layer: rows for layer, rows in non_finite.items() if rows},
        train_mode_passes=train_mode_passes,
        scored=scored,
        confidence=joined_confidence([b.confidence for b in batches], [len(b) for b in batches]),
        codes=_codes(batches, criteria.get("IDC")),
        tags=joined_tags([b.tags for b in batches], [len(b) for b in batches]),
        without_leaks=None if reference is None else _without_leaks(batches, criteria, reference),
        devices=tuple(sorted(set().union(*(batch.devices for batch in batches)))),
    )


def _without_leaks(
    batches: Sequence[ActivationBatch],
    criteria: Mapping[str, Criterion],
    reference: NDArray[np.uint64],
) -> dict[str, Any] | None:
    leaked = [among(batch.digests, reference) for batch in batches]
    if not any(rows.any() for rows in leaked):
        return None
    kept = [
        batch.select(~rows) if rows.any() else batch
        for batch, rows in zip(batches, leaked, strict=True)
        if not rows.all()
    ]
    return _exported(kept, criteria)


def _exported(
    batches: Sequence[ActivationBatch], criteria: Mapping[str, Criterion]
) -> dict[str, Any]:
    """Return the state of each criterion after these batches."""
    if not criteria:
        return {}
    fresh = {name: criterion.fresh() for name, criterion in criteria.items()}
    take_in(fresh, batches)
    return {name: criterion.export() for name, criterion in fresh.items()}


def _codes(
    batches: Sequence[ActivationBatch], idc: Criterion | None
) -> dict[str, NDArray[np.uint8]]:
    """Return each row's combination in every space of all classes, by name of the space."""
    return {space.name: encoded(space, batches) for space in _whole_spaces(idc)}


def _whole_spaces(idc: Criterion | None) -> list[CombinationSpace]:
    """Return the spaces of all classes together."""
    if not isinstance(idc, ImportanceDrivenCoverage):
        return []
    return [space for space in idc.spaces if space.class_index is None]


def encoded(space: CombinationSpace, batches: Iterable[ActivationBatch]) -> NDArray[np.uint8]:
    """Return the combination of each row, (N, M), UNVISITED where its pass missed the layer."""
    width = len(space.neurons)
    parts = [
        space.encode(batch) if space.visited(batch) else np.full((len(batch), width), UNVISITED)
        for batch in batches
    ]
    return np.concatenate([np.empty((0, width), np.uint8), *parts])


def _joined(parts: Sequence[NDArray[Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.empty(0, dtype=dtype)
