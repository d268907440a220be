"""The state of a block: what it recorded, small enough to travel on a test report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.clustering.combinations import CombinationSpace
from pytest_deepimportance.criteria.base import Criterion, create, naming
from pytest_deepimportance.criteria.bits import CHUNK
from pytest_deepimportance.criteria.idc import ImportanceDrivenCoverage
from pytest_deepimportance.criteria.plain import from_plain, to_plain
from pytest_deepimportance.data.activations import ActivationBatch, joined_confidence
from pytest_deepimportance.data.digests import among
from pytest_deepimportance.data.tags import joined_tags, tags_from_wire, tags_to_wire
from pytest_deepimportance.data.thumbnails import Thumbnail
from pytest_deepimportance.engine.chosen import measurable
from pytest_deepimportance.pictures import SHOWN
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.recording.blocks import Block
from pytest_deepimportance.settings import Settings
from pytest_deepimportance.statistics.rows import openings

_CHUNK_VALUES = 1 << 22
"""Activations of a chunk at most; copies of them live until the chunk is done."""

UNVISITED = np.uint8(255)
"""In place of every cluster of a row without a combination."""


@dataclass(frozen=True)
class BlockState:
    """One block (a test's call phase, or a fixture instance), reduced to what reports need.

    Attributes:
        passes: Counted forward passes.
        digests: Content hash of each counted row, (N,) uint64.
        labels, predictions: Of each counted row, (N,) int64, -1 where unknown.
        criteria: Exported state of each criterion, builtins and bytes only.
        non_finite: Rows left out, by layer name.
        train_mode_passes: Passes of a model in training mode, measured in evaluation mode.
        scored: Classes the model scores, 0 when not known.
        devices: Where the model ran, such as "cpu".
        confidence: How sure the model is of each counted row, (N, 3) float32, NaN where not known;
            None where it is known of none.
        codes: By name of a combination space of all classes, each counted row's combination, (N, M)
            uint8, UNVISITED where its pass did not visit the layer; empty without IDC.
        tags: For each counted row the number of its tags (see `data.tags`), (N,) int32, or None.
        thumbnails: By content hash, images of inputs that opened a combination within the block:
            the first ones, where images are kept.
        without_leaks: The criteria's states without the rows that are in the reference too; None
            where there is no such row.
    """

    key: str
    kind: str
    passes: int
    digests: NDArray[np.uint64]
    labels: NDArray[np.int64]
    predictions: NDArray[np.int64]
    criteria: Mapping[str, Any]
    non_finite: Mapping[str, int]
    train_mode_passes: int = 0
    scored: int = 0
    confidence: NDArray[np.float32] | None = None
    codes: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)
    without_leaks: Mapping[str, Any] | None = None
    tags: NDArray[np.int32] | None = None
    devices: tuple[str, ...] = ()
    thumbnails: Mapping[int, Thumbnail] = field(default_factory=dict)

    def to_wire(self) -> dict[str, Any]:
        """Return builtins and bytes only."""
        return {
            "key": self.key,
            "kind": self.kind,
            "passes": self.passes,
            "digests": self.digests.astype("<u8").tobytes(),
            "labels": self.labels.astype("<i4").tobytes(),
            "predictions": self.predictions.astype("<i4").tobytes(),
            "criteria": dict(self.criteria),
            "non_finite": dict(self.non_finite),
            "train_mode_passes": self.train_mode_passes,
            "scored": self.scored,
            "confidence": to_plain(self.confidence),
            "codes": to_plain(self.codes),
            "tags": None if self.tags is None else tags_to_wire(self.tags),
            "without_leaks": None if self.without_leaks is None else dict(self.without_leaks),
            "devices": list(self.devices),
            "thumbnails": [[key, *astuple(image)] for key, image in self.thumbnails.items()],
        }

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> BlockState:
        """Rebuild from `to_wire` data."""
        return cls(
            key=data["key"],
            kind=data["kind"],
            passes=data["passes"],
            digests=np.frombuffer(data["digests"], dtype="<u8").astype(np.uint64),
            labels=np.frombuffer(data["labels"], dtype="<i4").astype(np.int64),
            predictions=np.frombuffer(data["predictions"], dtype="<i4").astype(np.int64),
            criteria=data["criteria"],
            non_finite=data["non_finite"],
            train_mode_passes=data["train_mode_passes"],
            scored=data["scored"],
            confidence=from_plain(data["confidence"]),
            codes=from_plain(data["codes"]),
            without_leaks=data["without_leaks"],
            tags=None if data["tags"] is None else tags_from_wire(data["tags"]),
            devices=tuple(data["devices"]),
            thumbnails={key: Thumbnail(*image) for key, *image in data.get("thumbnails", ())},
        )

    def same_inputs(self, other: BlockState) -> bool:
        """Whether both recorded the same inputs, in whatever order (two workers, one fixture)."""
        return bool(np.array_equal(np.sort(self.digests), np.sort(other.digests)))


def new_criteria(profile: Profile, settings: Settings) -> dict[str, Criterion]:
    """Return fresh criteria by name: all that are asked for and that the profile allows."""
    provided = profile.provided()
    return {name: create(name, provided, settings) for name in measurable(profile, settings)}


def state_of(
    block: Block, criteria: Mapping[str, Criterion], reference: NDArray[np.uint64] | None = None
) -> BlockState:
    """Measure what a block recorded.

    Args:
        criteria: By name; they stay as they are (`fresh` ones are made of them).
        reference: Digests of the reference inputs, ascending; None where they are not known.
    """
    state = measured(
        block.key,
        block.kind,
        block.batches(),
        criteria,
        reference=reference,
        passes=block.counted_passes,
        non_finite=block.non_finite,
        train_mode_passes=block.train_mode_passes,
        scored=block.scored,
    )
    return replace(state, thumbnails=_thumbnails(block, state, criteria.get("IDC")))


def _thumbnails(block: Block, state: BlockState, idc: Criterion | None) -> dict[int, Thumbnail]:
    """Return images of the first inputs that opened a combination within the block."""
    spaces = _whole_spaces(idc)
    if len(spaces) != 1 or all(recorded.thumbnails is None for recorded in block.passes):
        return {}
    codes = state.codes[spaces[0].name]
    visited = ~(codes == UNVISITED).all(axis=1)
    rows, new = openings(state.digests, codes[:, : spaces[0].m], visited)
    return block.thumbnails(state.digests[rows[new]][:SHOWN])


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
        devices=_devices(batches),
    )


def _devices(batches: Sequence[ActivationBatch]) -> tuple[str, ...]:
    layers = [layer for batch in batches for layer in batch.layers.values()]
    return tuple(sorted({str(layer.values.device) for layer in layers}))


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
    criteria = {name: criterion.fresh() for name, criterion in criteria.items()}
    # What looks at every neuron gets chunks that fit into the cache, and what several criteria
    # derive from one is kept with it; few neurons, or distances, are best done for all rows.
    whole = [c for c in criteria.values() if c.reads != "neurons"]
    rest = [c for c in criteria.values() if c.reads == "neurons"]
    for batch in batches:
        for criterion in whole:
            with naming(criterion.name):
                criterion.update(batch)
        for chunk in batch.chunks(_chunk_rows(batch)):
            for criterion in rest:
                with naming(criterion.name):
                    criterion.update(chunk)
    return {name: criterion.export() for name, criterion in criteria.items()}


def _codes(
    batches: Sequence[ActivationBatch], idc: Criterion | None
) -> dict[str, NDArray[np.uint8]]:
    """Return each row's combination in every space of all classes, by name of the space."""
    return {
        space.name: np.concatenate(
            [np.empty((0, len(space.neurons)), np.uint8), *(_encoded(space, b) for b in batches)]
        )
        for space in _whole_spaces(idc)
    }


def _whole_spaces(idc: Criterion | None) -> list[CombinationSpace]:
    """Return the spaces of all classes together."""
    if not isinstance(idc, ImportanceDrivenCoverage):
        return []
    return [space for space in idc.spaces if space.class_index is None]


def _encoded(space: CombinationSpace, batch: ActivationBatch) -> NDArray[np.uint8]:
    if space.visited(batch):
        return space.encode(batch)
    return np.full((len(batch), len(space.neurons)), UNVISITED)


def _chunk_rows(batch: ActivationBatch) -> int:
    """Return how many rows to process at a time: fewer where there are many neurons."""
    neurons = sum(layer.values.shape[1] for layer in batch.layers.values())
    return max(64, min(CHUNK, _CHUNK_VALUES // max(1, neurons)))


def _joined(parts: Sequence[NDArray[Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.empty(0, dtype=dtype)
