"""A batch of new data against the reference: which combinations it shows, and how often."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import nn

from pytest_deepimportance import __version__
from pytest_deepimportance.clustering.combinations import CombinationSpace
from pytest_deepimportance.data.activations import UNKNOWN, ActivationBatch
from pytest_deepimportance.data.reference import Reference
from pytest_deepimportance.drift_results import DriftClass, DriftReport, DriftSpace
from pytest_deepimportance.engine.intake import run_suites
from pytest_deepimportance.engine.opening import recorder_for
from pytest_deepimportance.errors import ProfileError, RecordingError
from pytest_deepimportance.formatting import count, plural
from pytest_deepimportance.models.wrappers import eager
from pytest_deepimportance.profile.accumulate import Progress
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.recording.blocks import Block
from pytest_deepimportance.settings import Settings
from pytest_deepimportance.statistics.combination_counts import CombinationCounts
from pytest_deepimportance.statistics.expectation import uncovered_probability
from pytest_deepimportance.statistics.homogeneity import chi_square

_NAME = "the new data"
_WHICH = {True: "labels", False: "predictions"}


def drift(
    model: nn.Module,
    profile: Profile,
    data: Reference,
    settings: Settings,
    *,
    progress: Progress | None = None,
) -> DriftReport:
    """Compare new data with the reference behind a profile.

    Args:
        model: The profiled model; it was compared with the profile.
        profile: With m chosen.
        data: New inputs; an input that occurs several times counts once. Labels are not needed.

    Raises:
        ProfileError: The profile holds no combinations of all classes together.
        RecordingError: There are fewer than two inputs, or the model's forward raised.
    """
    spaces = profile.whole_spaces
    if not spaces:
        raise ProfileError(
            "the profile holds no combinations of all classes together",
            "New data have no labels by which they could be told apart.",
            "Build it with IDC and --classes all (the default).",
        )
    chosen = settings.replace("drift", criteria=("IDC",))
    recorder = recorder_for(eager(model), profile, chosen)
    recorded: list[ActivationBatch] = []
    unusable = 0

    def take(_: str, block: Block) -> None:
        nonlocal unusable
        recorded.extend(block.batches())
        unusable += sum(block.non_finite.values())

    run_suites(model, recorder, {_NAME: data}, settings, take, progress)
    rows = sum(len(batch) for batch in recorded)
    batches = _distinct(recorded)
    inputs = sum(len(batch) for batch in batches)
    if inputs < 2:
        raise RecordingError(
            f"{data.descriptor} holds {plural(inputs, 'distinct input')}",
            "How often combinations occur cannot be told from a single input.",
            "Give a batch of inputs: hundreds rather than tens.",
        )
    return DriftReport(
        version=__version__,
        model=profile.model,
        reference=profile.reference,
        profile=profile.fingerprint,
        data=data.descriptor,
        rows=rows,
        inputs=inputs,
        classes_from=_WHICH[profile.reference.labelled],
        spaces=tuple(_compare(profile, space, batches) for space in spaces),
        notes=tuple(_notes(profile, data, rows, inputs, unusable)),
    )


def _distinct(batches: Sequence[ActivationBatch]) -> list[ActivationBatch]:
    """Return the batches with the first row of each input only."""
    seen: set[int] = set()
    result = []
    for batch in batches:
        keep = np.zeros(len(batch), dtype=bool)
        for row, digest in enumerate(batch.digests.tolist()):
            keep[row] = digest not in seen
            seen.add(digest)
        if keep.any():
            result.append(batch if keep.all() else batch.select(keep))
    return result


def _compare(
    profile: Profile, space: CombinationSpace, batches: Sequence[ActivationBatch]
) -> DriftSpace:
    visited = [batch for batch in batches if space.visited(batch)]
    width = len(space.neurons)
    codes = np.concatenate(
        [np.zeros((0, width), np.uint8), *(space.encode(batch) for batch in visited)]
    )[:, : space.m]
    classes = np.concatenate([np.zeros(0, np.int64), *(batch.predictions for batch in visited)])
    counts = profile.counts[space.name].prefix(space.m)
    own = CombinationCounts.from_rows(codes, classes, np.zeros(len(codes), bool)).prefix(space.m)
    exercised = counts.exercise(codes)
    here = own.exercise(counts.codes).combinations  # which of the batch's the reference knows
    before, now = _side_by_side(counts.counts, exercised.combinations, own.counts, here)
    return DriftSpace(
        name=space.name,
        m=space.m,
        total=space.total(),
        reach=counts.reach,
        inputs=len(codes),
        reference_rows=counts.rows,
        exercised_rows=exercised.rows,
        expected_share=_expected_share(counts.counts, len(codes)),
        unknown_inputs=int(own.counts[~here].sum()),
        expected_unknown=int((counts.counts == 1).sum()) / counts.rows,
        chi_square=chi_square(before, now),
        classes=_classes(profile, exercised.classes, own.class_rows, own.rows_by_class(~here)),
    )


def _side_by_side(
    reference: NDArray[np.int64],
    shown: NDArray[np.bool_],
    new: NDArray[np.int64],
    known: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of both samples over the union of their combinations, (C,) each.

    Both lists of combinations are in ascending order, so those that both hold are too.
    """
    aligned = np.zeros_like(reference)
    aligned[shown] = new[known]
    before = np.concatenate([reference, np.zeros((~known).sum(), np.int64)])
    return before, np.concatenate([aligned, new[~known]])


def _expected_share(counts: NDArray[np.int64], inputs: int) -> float | None:
    rows = int(counts.sum())
    if inputs > rows:
        return None
    missed = uncovered_probability(counts, rows, inputs)
    return float((counts * (1 - missed)).sum() / rows)


def _classes(
    profile: Profile,
    exercised: dict[int, tuple[int, int]],
    inputs: dict[int, int],
    unknown: dict[int, int],
) -> tuple[DriftClass, ...]:
    found = sorted({*exercised, *inputs} - {UNKNOWN})
    return tuple(
        DriftClass(
            index=label,
            name=profile.class_name(label),
            reference_rows=exercised.get(label, (0, 0))[1],
            exercised_rows=exercised.get(label, (0, 0))[0],
            inputs=inputs.get(label, 0),
            unknown_inputs=unknown.get(label, 0),
        )
        for label in found
    )


def _notes(profile: Profile, data: Reference, rows: int, inputs: int, bad: int) -> list[str]:
    notes = list(data.facts)
    reference = profile.reference.usable
    if inputs > reference:
        notes.append(
            f"not comparable: {count(inputs)} inputs, but only {count(reference)} reference rows; "
            "the share grows with the inputs"
        )
    if inputs < rows:
        notes.append(f"{count(rows - inputs)} of {count(rows)} rows repeat an input: left out")
    if bad:
        notes.append(f"{plural(bad, 'row')} with NaN or infinity: left out")
    if data.sampled:
        of = f" of {count(data.available)}" if data.available is not None else ""
        notes.append(f"{count(data.rows or 0)}{of} rows are compared (--input-samples)")
    return notes
