"""The numbers of one suite: criteria, classes, ladder, gaps."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from pytest_deepimportance.clustering.combinations import CombinationSpace
from pytest_deepimportance.companions import Leaks
from pytest_deepimportance.criteria.base import Criterion, naming
from pytest_deepimportance.criteria.idc import ImportanceDrivenCoverage
from pytest_deepimportance.data.activations import UNKNOWN
from pytest_deepimportance.data.batches import describe
from pytest_deepimportance.data.digests import among
from pytest_deepimportance.engine.beside import beside_random
from pytest_deepimportance.engine.combinations import Combinations
from pytest_deepimportance.engine.companions import companions
from pytest_deepimportance.engine.growth import hits
from pytest_deepimportance.engine.merging import merged_criteria
from pytest_deepimportance.engine.rarity import thin_ice
from pytest_deepimportance.engine.rows import DistinctInputs, distinct_inputs, evenness
from pytest_deepimportance.engine.slices import Marked, slices
from pytest_deepimportance.engine.states import BlockState
from pytest_deepimportance.errors import RecordingError
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.results import ClassShare, CriterionRow, Gap, SuiteResult
from pytest_deepimportance.settings import Settings

TOTAL = "TOTAL"
GAPS_KEPT = 20
"""Gaps in a report, the largest first; the screen shows three."""


def evaluate(
    name: str,
    states: Sequence[BlockState],
    profile: Profile,
    settings: Settings,
    *,
    outcomes: Sequence[str],
    passing: Sequence[BlockState] | None = None,
    criteria: Sequence[str] | None = None,
    marked: Marked = (),
) -> SuiteResult:
    """Measure a suite from the states of its blocks.

    Args:
        states: Blocks that count.
        outcomes: Of the suite's marked tests: "passed", "failed", "xfailed" or "skipped".
        passing: Blocks of the tests that passed, when these are fewer: what is covered without them
            is then reported as covered only by failing tests.
        criteria: Names of those to show; None for all that are measured.
        marked: Which blocks belong to slices that markers name.
    """
    inputs = distinct_inputs(states)
    merged = merged_criteria(states, profile, settings, criteria)
    rows = _rows(merged, profile, settings, inputs)
    combinations = Combinations.of(profile, states)
    if passing is not None:
        rows = _with_only_failing(rows, merged_criteria(passing, profile, settings, criteria))
    idc = merged.get("IDC")
    if not isinstance(idc, ImportanceDrivenCoverage):
        idc = None
    return SuiteResult(
        name=name,
        tests=len(outcomes),
        inputs=len(inputs),
        inputs_digest=inputs.digest,
        rows=inputs.rows,
        labelled=inputs.labelled,
        correct=inputs.correct,
        criteria=rows,
        classes=() if idc is None else _classes(profile, idc, inputs),
        classes_from=inputs.classes[1] if len(inputs) else "",
        gaps=() if idc is None else _gaps(profile, idc),
        ladder=() if idc is None else idc.ladder(inputs_per_space(profile, inputs)),
        failed_tests=outcomes.count("failed"),
        xfailed_tests=outcomes.count("xfailed"),
        skipped_tests=outcomes.count("skipped"),
        only_failing_inputs=0 if passing is None else inputs.beyond(distinct_inputs(passing)),
        evenness=evenness(inputs.classes[0], _class_count(profile, inputs)),
        companions=companions(inputs, profile.sites.output_activation),
        thin_ice=None
        if combinations is None
        else thin_ice(inputs, combinations.occurrences(inputs.chosen)),
        leaks=_leaks(profile, settings, states, inputs, criteria),
        slices=slices(states, marked, inputs, combinations),
        hits=hits(profile, combinations, inputs.chosen),
    )


def _rows(
    merged: Mapping[str, Criterion], profile: Profile, settings: Settings, inputs: DistinctInputs
) -> dict[str, CriterionRow]:
    """Return the rows of all criteria by key, measured on these inputs."""
    rows: dict[str, CriterionRow] = {}
    for criterion in merged.values():
        if isinstance(criterion, ImportanceDrivenCoverage):
            found = criterion.rows_at(inputs=inputs_per_space(profile, inputs))
        else:
            with naming(criterion.name):
                found = tuple(
                    _checked(row, criterion.name, len(inputs)) for row in _computed(criterion)
                )
        found = beside_random(found, profile, settings)
        rows.update({row.key: row for row in found})
    if not len(inputs):
        # A 0 that nobody measured must not read like one that tests earned.
        rows = {key: dataclasses.replace(row, judged=False) for key, row in rows.items()}
    return rows


def _leaks(
    profile: Profile,
    settings: Settings,
    states: Sequence[BlockState],
    inputs: DistinctInputs,
    criteria: Sequence[str] | None,
) -> Leaks | None:
    """Return which inputs are in the reference too, and the rows without them."""
    if profile.digests is None:
        return None
    leaked = among(inputs.digests, profile.digests)
    if not leaked.any():
        return Leaks(0, 0, len(profile.digests))
    merged = merged_criteria(states, profile, settings, criteria, leaks=False)
    return Leaks(
        inputs=int(leaked.sum()),
        rows=sum(int(among(state.digests, profile.digests).sum()) for state in states),
        checked=len(profile.digests),
        criteria=_rows(merged, profile, settings, inputs.select(~leaked)),
    )


def _computed(criterion: Criterion) -> tuple[CriterionRow, ...]:
    """Return a criterion's rows; a user's own may return something else.

    Raises:
        RecordingError: It does.
    """
    rows = criterion.compute()
    if not isinstance(rows, (tuple, list)) or not all(isinstance(r, CriterionRow) for r in rows):
        raise RecordingError(
            f"compute() of criterion {criterion.name} returned {describe(rows)}, not rows",
            "Numbers are shown, gated and merged as rows.",
            "Return a tuple: return (CriterionRow(self.name, self.unit, covered, total),)",
        )
    return tuple(rows)


def _checked(row: CriterionRow, name: str, inputs: int) -> CriterionRow:
    """Return a row with its number of inputs; a user's own criterion may be wrong."""
    if row.unit == "ratio" and not 0 <= row.covered <= row.total:
        raise RecordingError(
            f"compute() of criterion {name} covers {row.covered} of {row.total} items",
            "A ratio lies between 0 and 1.",
            'Return 0 <= covered <= total, or unit "count" or "float" where there is no total.',
        )
    return dataclasses.replace(row, inputs=inputs)


def inputs_per_space(profile: Profile, inputs: DistinctInputs) -> dict[str, int]:
    """Return the number of distinct inputs by space: all, or those of its true class."""
    return {
        space.name: len(inputs) if space.class_index is None else inputs.of_class(space.class_index)
        for space in profile.spaces
    }


def _with_only_failing(
    rows: dict[str, CriterionRow], passing: Mapping[str, Criterion]
) -> dict[str, CriterionRow]:
    """Note on each row how many of its items no passing test covers (coverage is monotone)."""
    items = [c for c in passing.values() if not c.breaks]
    without = {row.key: row.covered for c in items for row in c.compute()}
    return {
        key: dataclasses.replace(row, only_failing=int(row.covered - without[key]))
        if key in without
        else row
        for key, row in rows.items()
    }


def _classes(
    profile: Profile, idc: ImportanceDrivenCoverage, inputs: DistinctInputs
) -> tuple[ClassShare, ...]:
    """Return the share of each reference class, over the spaces that hold it."""
    exercised: dict[int, list[int]] = {}
    for space in _headline_spaces(profile):
        for label, (hit, rows) in idc.exercised(space.name).classes.items():
            pair = exercised.setdefault(label, [0, 0])
            pair[0] += hit
            pair[1] += rows
    found, counts = np.unique(inputs.classes[0], return_counts=True)
    tested = dict(zip(found.tolist(), counts.tolist(), strict=True))
    return tuple(
        ClassShare(
            index=label,
            name=profile.class_name(label),
            reference_rows=exercised[label][1],
            exercised_rows=exercised[label][0],
            suite_inputs=tested.get(label, 0),
        )
        for label in sorted(exercised)
        if label != UNKNOWN
    )


def _headline_spaces(profile: Profile) -> tuple[CombinationSpace, ...]:
    """Return the spaces the headline is made of: all classes together, else each class."""
    return profile.whole_spaces or profile.spaces


def _class_count(profile: Profile, inputs: DistinctInputs) -> int:
    """Return the number of classes: as named, or more where a class without a name occurs."""
    seen = [int(counts.classes.max(initial=-1)) for counts in profile.counts.values()]
    own = int(inputs.classes[0].max(initial=-1)) if len(inputs) else -1
    return max([*seen, own, len(profile.class_names) - 1]) + 1


def _gaps(profile: Profile, idc: ImportanceDrivenCoverage) -> tuple[Gap, ...]:
    """Return the largest groups of reference inputs that no test exercises."""
    spaces = _headline_spaces(profile)
    if len(spaces) != 1:
        return ()
    return tuple(
        Gap(
            rows=item.rows,
            main_class=None if item.main_class is None else profile.class_name(item.main_class),
            main_class_rows=item.main_class_rows,
            nearest_reference_index=item.first_index if item.first_index >= 0 else None,
            combination=item.combination,
        )
        for item in idc.missing(spaces[0].name, GAPS_KEPT)
    )
