"""What random inputs cover: made once, with the profile, from the null data.

The null data are the reference itself, or better data that the model was not trained on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pytest_deepimportance.criteria.base import get
from pytest_deepimportance.data.activations import UNKNOWN, ActivationBatch
from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.data.heldout import divided, part_asked_for
from pytest_deepimportance.data.reference import Reference
from pytest_deepimportance.engine.chosen import measurable
from pytest_deepimportance.engine.item_matrix import matrix_of
from pytest_deepimportance.engine.passes import recorded_batches
from pytest_deepimportance.errors import ReferenceDataError
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.profile.null import Null
from pytest_deepimportance.settings import Settings
from pytest_deepimportance.statistics.combination_counts import CombinationCounts
from pytest_deepimportance.statistics.random_growth import RandomGrowth

LARGEST = 10_000
"""Null inputs at most."""

_ENTRIES = 60_000_000
"""Neurons x null inputs at most: KMNC has an item for each."""


def null_data(
    reference: Reference, settings: Settings, given: Any, opened: Callable[[Any], Reference]
) -> tuple[Reference, Reference | None, bool]:
    """Return the reference of the profile, the null data, and whether these are held out.

    Args:
        given: Held-out data, or None for what the setting `null` says.
        opened: Opens held-out data.
    """
    if given is not None:
        return reference, opened(given), True
    part = part_asked_for(settings.null)
    if part is not None:
        kept, held = divided(reference, part, settings.seed)
        return kept, held, True
    if settings.null is not None:
        try:
            return reference, opened(settings.null), True
        except ReferenceDataError as error:
            raise ReferenceDataError(f"idc_null: {error.what}", error.why, error.fix) from error
    return reference, reference if reference.reiterable else None, False


def with_random_suites(
    profile: Profile, model: nn.Module, data: Reference, held_out: bool, settings: Settings
) -> Profile:
    """Return the profile with what random inputs of the null data cover.

    Raises:
        RecordingError: The model cannot be run on the null data.
    """
    # Everything that the profile allows is made: which criteria are shown is decided later.
    chosen = settings.replace("null", criteria="all")
    names = [n for n in measurable(profile, chosen) if n != "IDC" and _can_be_drawn(n, held_out)]
    if not settings.random_orders:
        names = []
    growth: dict[str, RandomGrowth] = {}
    counts: dict[str, list[CombinationCounts]] = {space.name: [] for space in profile.spaces}
    if names or (held_out and profile.spaces):
        wanted = names or ["IDC"]
        calls = _some(data, min(LARGEST, _fitting(profile)), settings)
        recorded = recorded_batches(model, profile, chosen, calls, data.descriptor)
        counted = _counting(recorded, profile, counts) if held_out else recorded
        matrix = matrix_of(counted, profile, chosen.replace("null", criteria=tuple(wanted)))
        growth = {
            name: RandomGrowth.of(
                table, settings.random_orders, settings.seed, options_of(name, settings)
            )
            for name, table in matrix.criteria.items()
            # The reference lies within its own bounds: of NBC and SNAC there is nothing to draw.
            if name in names and len(table.keys)
        }
    merged = {name: CombinationCounts.merge_all(parts) for name, parts in counts.items() if parts}
    null = Null(data.descriptor if held_out else "", growth, merged)
    return dataclasses.replace(profile, null=null)


def _can_be_drawn(criterion: str, held_out: bool) -> bool:
    """Whether random inputs of the null data say what an honest suite would cover."""
    kind = get(criterion)
    if "order-free" in kind.breaks:
        return False  # what an input covers depends on those before it
    # A reference input is compared with itself, so nothing surprises in it.
    return held_out or kind.reads != "surprise"


def options_of(criterion: str, settings: Settings) -> tuple[tuple[str, Any], ...]:
    """Return the settings that a criterion's items depend on."""
    return tuple(
        (name, getattr(settings, name))
        for name in get(criterion).options
        if name != "surprise_values"
    )


def _fitting(profile: Profile) -> int:
    return max(1000, _ENTRIES // max(sum(profile.statistics.layers.values()), 1))


def _some(data: Reference, wanted: int, settings: Settings) -> Iterator[ModelCall]:
    """Yield `wanted` rows, a seeded choice of all."""
    total = data.rows
    if total is None and data.reiterable:
        total = sum(call.rows for call in data.batches(settings.batch_size))
    if total is None or total <= wanted:
        yield from data.batches(settings.batch_size)
        return
    chosen = np.zeros(total, dtype=bool)
    chosen[np.random.default_rng(settings.seed).permutation(total)[:wanted]] = True
    start = 0
    for call in data.batches(settings.batch_size):
        rows = np.flatnonzero(chosen[start : start + call.rows])
        start += call.rows
        if len(rows):
            yield call.select(torch.from_numpy(rows))


def _counting(
    batches: Iterator[tuple[ActivationBatch, int]],
    profile: Profile,
    counts: dict[str, list[CombinationCounts]],
) -> Iterator[tuple[ActivationBatch, int]]:
    """Pass the batches on, and count their combinations on the way."""
    for batch, dropped in batches:
        classes = np.where(batch.labels == UNKNOWN, batch.predictions, batch.labels)
        for space in profile.spaces:
            own = space.own_rows(batch)
            if own.any() and space.visited(batch):
                codes = space.encode(batch.select(own))
                none: NDArray[np.bool_] = np.zeros(len(codes), dtype=bool)
                counts[space.name].append(CombinationCounts.from_rows(codes, classes[own], none))
        yield batch, dropped
