"""Inputs with the items each covers, how sure the model is of them, and where they stood."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from pytest_deepimportance.criteria.base import Criterion, naming
from pytest_deepimportance.criteria.bits import CHUNK
from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.data.digests import row_digests
from pytest_deepimportance.data.reference import Reference
from pytest_deepimportance.engine.passes import recorded_batches
from pytest_deepimportance.errors import RecordingError, SettingsError
from pytest_deepimportance.models.wrappers import eager
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.settings import Settings
from pytest_deepimportance.statistics.incidence import Indices, RowItems
from pytest_deepimportance.statistics.rows import places_in
from pytest_deepimportance.thresholds import IDC


@dataclass(frozen=True)
class ItemRows:
    """What was recorded of inputs, a row for each usable one, in their order.

    Attributes:
        digests: Content hashes, (N,).
        index: Row in the data they come from, (N,).
        labels, predictions: -1 unknown, (N,).
        confidence: See `data.confidence`, (N, 3), NaN where not known.
        occurrences: Reference rows that show the row's combination, (N,); -1 where the criterion
            is not IDC over all classes together.
        items: What each covers.
        unusable: Rows left out because of NaN or infinity.
    """

    digests: NDArray[np.uint64]
    index: Indices
    labels: Indices
    predictions: Indices
    confidence: NDArray[np.float32]
    occurrences: Indices
    items: tuple[RowItems, ...]
    unusable: int = 0

    def __len__(self) -> int:
        return len(self.digests)


def item_rows(
    model: nn.Module,
    profile: Profile,
    data: Reference,
    criterion: Criterion,
    settings: Settings,
    tick: Callable[[int], None],
) -> ItemRows:
    """Run `data` through the model once.

    Args:
        criterion: Whose items are wanted; `settings` ask for it.
        tick: Called with the rows of each batch that is done.

    Raises:
        RecordingError: The forward raised, or no row is usable.
        SettingsError: An input by itself covers no item of the criterion.
    """
    given: list[NDArray[np.uint64]] = []

    def calls() -> Iterator[ModelCall]:
        for call in data.batches(settings.batch_size):
            given.append(row_digests(call))
            yield call
            tick(call.rows)

    batches, items, occurrences = [], [], []
    unusable = 0
    recorded = recorded_batches(eager(model), profile, settings, calls(), data.descriptor)
    for batch, dropped in recorded:
        unusable += dropped
        for chunk in batch.chunks(CHUNK):
            batches.append(chunk)
            items.append(_items(criterion, chunk))
            occurrences.append(_occurrences(profile, criterion.name, chunk))
    if not batches:
        raise RecordingError(
            f"nothing could be recorded of {data.descriptor}",
            "Every row holds NaN or infinity, or there is none.",
            "Check that its inputs are of the scale the model was trained on.",
        )
    digests = np.concatenate([batch.digests for batch in batches])
    return ItemRows(
        digests=digests,
        index=_places(np.concatenate(given), digests),
        labels=np.concatenate([batch.labels for batch in batches]),
        predictions=np.concatenate([batch.predictions for batch in batches]),
        confidence=np.concatenate([_confidence(batch) for batch in batches]),
        occurrences=np.concatenate(occurrences),
        items=tuple(items),
        unusable=unusable,
    )


def _items(criterion: Criterion, batch: ActivationBatch) -> RowItems:
    with naming(criterion.name):
        found = criterion.items(batch)
    if found is None:
        raise SettingsError(
            f"an input by itself covers nothing of {criterion.name}",
            "Inputs are ranked by the items they add.",
            "Choose another criterion: --criterion IDC",
        )
    return found


def _occurrences(profile: Profile, criterion: str, batch: ActivationBatch) -> Indices:
    spaces = profile.whole_spaces
    if criterion != IDC or len(spaces) != 1 or not spaces[0].visited(batch):
        return np.full(len(batch), -1, dtype=np.int64)
    space = spaces[0]
    counts = profile.counts[space.name].prefix(space.m)
    places = places_in(counts.codes, space.encode(batch)[:, : space.m])
    return np.where(places >= 0, counts.counts[places], 0)


def _confidence(batch: ActivationBatch) -> NDArray[np.float32]:
    if batch.confidence is None:
        return np.full((len(batch), 3), np.nan, dtype=np.float32)
    return batch.confidence


def _places(given: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> Indices:
    """Return where each digest stood first among those that went in."""
    unique, first = np.unique(given, return_index=True)
    return first[np.searchsorted(unique, wanted)].astype(np.int64)
