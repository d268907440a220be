"""The state of a block: what it recorded, small enough to travel on a test report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.criteria.base import Criterion, create
from pytest_deepimportance.criteria.plain import from_plain, to_plain
from pytest_deepimportance.data.sheets import Sheet
from pytest_deepimportance.data.tags import tags_from_wire, tags_to_wire
from pytest_deepimportance.data.thumbnails import Thumbnail
from pytest_deepimportance.engine.chosen import measurable
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.settings import Settings

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
        thumbnails: By content hash, images of inputs that opened a combination within the block:
            the first ones, where images are kept.
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
    thumbnails: Mapping[int, Thumbnail] = field(default_factory=dict)
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
            "thumbnails": [[key, *astuple(image)] for key, image in self.thumbnails.items()],
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
            thumbnails={key: Thumbnail(*image) for key, *image in data["thumbnails"]},
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
