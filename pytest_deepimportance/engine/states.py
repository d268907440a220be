"""The state of a block: what it recorded, small enough to travel on a test report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.clustering.combinations import CombinationSpace
from pytest_deepimportance.criteria.base import Criterion, create
from pytest_deepimportance.criteria.idc import ImportanceDrivenCoverage
from pytest_deepimportance.criteria.plain import from_plain, to_plain
from pytest_deepimportance.data.activations import ActivationBatch, joined_confidence
from pytest_deepimportance.data.digests import among
from pytest_deepimportance.data.sheets import Sheet
from pytest_deepimportance.data.tags import joined_tags, tags_from_wire, tags_to_wire
from pytest_deepimportance.engine.chosen import measurable
from pytest_deepimportance.engine.kept import take_in, to_be_kept
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.recording.blocks import Block
from pytest_deepimportance.settings import Settings
from pytest_deepimportance.thresholds import MEASURED

UNVISITED = np.uint8(255)
"""In place of every cluster of a row without a combination."""


@dataclass(frozen=True)
class BlockState:
    """One block (a test's call phase, or a fixture instance), reduced to what reports need.

    Attributes:
        passes: Counted forward passes.
        digests: Content hash of each counted row, (N,) uint64.
        labels, predictions: Of each counted row, (N,) int64, -1 where unknown.
        criteria: Exported state of each criterion measured at once, builtins and bytes only.
        non_finite: Rows left out, by layer name.
        train_mode_passes: Passes of a model in training mode, measured in evaluation mode.
        scored: Classes the model scores, 0 when not known.
        devices: Where the model ran, such as "cpu".
        confidence: How sure the model is of each counted row, (N, 3) float32, NaN where not known;
            None where it is known of none.
        codes: By name of a combination space of all classes, each counted row's combination, (N, M)
            uint8, UNVISITED where its pass did not visit the layer; empty without IDC, and where
            IDC is in `waiting`.
        tags: For each counted row the number of its tags (see `data.tags`), (N,) int32, or None.
        without_leaks: The criteria's states without the rows that are in the reference too; None
            where there is no such row.
        kept: The counted rows themselves, in their order, for the criteria in `waiting`.
        waiting: Names of the criteria that measure `kept` when the report is made.
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
    kept: tuple[Sheet, ...] = ()
    waiting: tuple[str, ...] = ()

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of the criteria that the block counts for."""
        return (*self.criteria, *self.waiting)

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
            "kept": [sheet.to_wire() for sheet in self.kept],
            "waiting": list(self.waiting),
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
            kept=tuple(Sheet.from_wire(sheet) for sheet in data["kept"]),
            waiting=tuple(data["waiting"]),
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
    """Reduce what a block recorded: a few rows are kept, many are measured.

    Args:
        criteria: By name; they stay as they are (`fresh` ones are made of them).
        reference: Digests of the reference inputs, ascending; None where they are not known.
    """
    batches = block.batches()
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
    return replace(state, kept=kept, waiting=waiting) if waiting else state


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
    fresh = {name: criterion.fresh() for name, criterion in criteria.items()}
    take_in(fresh, batches)
    return {name: criterion.export() for name, criterion in fresh.items()}


def _codes(
    batches: Sequence[ActivationBatch], idc: Criterion | None
) -> dict[str, NDArray[np.uint8]]:
    """Return each row's combination in every space of all classes, by name of the space."""
    if not isinstance(idc, ImportanceDrivenCoverage):
        return {}
    return {
        space.name: encoded(space, batches) for space in idc.spaces if space.class_index is None
    }


def encoded(space: CombinationSpace, batches: Iterable[ActivationBatch]) -> NDArray[np.uint8]:
    """Return the combination of each row, (N, M), UNVISITED where its pass missed the layer."""
    width = len(space.neurons)
    parts = [
        space.encode(batch) if space.visited(batch) else np.full((len(batch), width), UNVISITED)
        for batch in batches
    ]
    return np.concatenate([np.empty((0, width), np.uint8), *parts])


def _joined(parts: Sequence[NDArray[Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.empty(0, dtype=dtype)
