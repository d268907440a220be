"""The state of a block: what it recorded, small enough to travel on a test report."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.criteria.base import Criterion, create
from pytest_deepimportance.data.sheets import Sheet
from pytest_deepimportance.data.thumbnails import Thumbnail
from pytest_deepimportance.engine.chosen import measurable
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.settings import Settings

UNVISITED = np.uint8(255)
"""In place of every cluster of a row without a combination."""

NOTHING: Mapping[Any, Any] = MappingProxyType({})
"""What most blocks have of what few have."""


class BlockState(NamedTuple):
    """One block (a test's call phase, or a fixture instance), reduced to what reports need.

    A tuple, since ten thousand are made at a time.

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
    codes: Mapping[str, NDArray[np.uint8]] = NOTHING
    without_leaks: Mapping[str, Any] | None = None
    tags: NDArray[np.int32] | None = None
    devices: tuple[str, ...] = ()
    thumbnails: Mapping[int, Thumbnail] = NOTHING
    kept: tuple[Sheet, ...] = ()
    waiting: tuple[str, ...] = ()

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of the criteria that the block counts for."""
        return (*self.criteria, *self.waiting)

    def same_inputs(self, other: BlockState) -> bool:
        """Whether both recorded the same inputs, in whatever order (two workers, one fixture)."""
        return bool(np.array_equal(np.sort(self.digests), np.sort(other.digests)))


def new_criteria(profile: Profile, settings: Settings) -> dict[str, Criterion]:
    """Return fresh criteria by name: all that are asked for and that the profile allows."""
    provided = profile.provided()
    return {name: create(name, provided, settings) for name in measurable(profile, settings)}
