"""The numbers of one suite: criteria, classes, ladder, gaps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pytest_deepimportance.criteria.idc import ImportanceDrivenCoverage
from pytest_deepimportance.data.activations import UNKNOWN
from pytest_deepimportance.engine.rows import DistinctInputs, distinct_inputs, evenness
from pytest_deepimportance.engine.states import BlockState, new_criteria
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.results import ClassShare, CriterionRow, Gap, SuiteResult
from pytest_deepimportance.statistics.combination_counts import Exercised

TOTAL = "TOTAL"
GAPS_SHOWN = 3


def evaluate(
    name: str,
    states: Sequence[BlockState],
    profile: Profile,
    *,
    tests: int,
    failed_tests: int = 0,
    passing: Sequence[BlockState] | None = None,
) -> SuiteResult:
    """Measure a suite from the states of its blocks.

    Args:
        states: Blocks that count.
        tests, failed_tests: Marked tests of the suite, and how many of them failed.
        passing: Blocks of the tests that did not fail, when these are fewer: what is covered
            without them is then reported as covered only by failing tests.
    """
    inputs = distinct_inputs(states)
    idc = _merged(states, profile)
    rows = {row.key: row for row in idc.rows(_inputs_per_space(profile, inputs))}
    if passing is not None:
        rows = _with_only_failing(rows, _merged(passing, profile))
    return SuiteResult(
        name=name,
        tests=tests,
        inputs=len(inputs),
        rows=inputs.rows,
        labelled=inputs.labelled,
        correct=inputs.correct,
        criteria=rows,
        classes=_classes(profile, idc, inputs),
        classes_from=inputs.classes[1] if len(inputs) else "",
        gaps=_gaps(profile, idc),
        ladder=idc.ladder(len(inputs)),
        failed_tests=failed_tests,
        evenness=evenness(inputs.classes[0], _class_count(profile, inputs)),
    )
