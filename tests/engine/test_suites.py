from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from pytest_deepimportance.criteria import base
from pytest_deepimportance.engine.suites import GAPS_KEPT, evaluate
from pytest_deepimportance.errors import RecordingError
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.results import CriterionRow
from tests.engine.builders import SETTINGS, state_of_rows
from tests.profile.builders import profile_of, rows


@pytest.fixture(scope="module")
def profile() -> Profile:
    return profile_of(rows(300), class_names="ape,bee,cat").with_m("auto")


def test_the_ladder_is_what_every_m_gives(profile: Profile) -> None:
    x, y = rows(40, seed=2)
    for chosen in (profile, profile_of(rows(300), classes="each").with_m("auto")):
        states = [state_of_rows(chosen, "a", x, y)]
        ladder = evaluate("s", states, chosen, SETTINGS, outcomes=["passed"]).ladder
        assert [step.m for step in ladder] == list(range(1, 13))
        for step in ladder:
            row = evaluate(
                "s", states, chosen.with_m(step.m), SETTINGS, outcomes=["passed"]
            ).criteria["IDC"]
            assert (step.total, step.covered, step.covered_reached, step.reach, step.share) == (
                row.total, row.covered, row.covered_reached, row.reach, row.share,
            )  # fmt: skip
            assert step.fit_reached == row.details["fit_reached"]
            assert step.random == row.random


def test_what_only_failing_tests_cover(profile: Profile) -> None:
    good, bad = rows(10, seed=2)[0], rows(40, seed=3)[0]
    passing = [state_of_rows(profile, "good", good)]
    failing = state_of_rows(profile, "bad", bad)
    row = evaluate(
        "s", [*passing, failing], profile, SETTINGS, outcomes=["passed", "failed"], passing=passing
    ).criteria["IDC"]
    alone = evaluate("s", passing, profile, SETTINGS, outcomes=["passed"]).criteria["IDC"]
    assert row.only_failing == row.covered - alone.covered > 0
    assert (
        evaluate("s", [*passing, failing], profile, SETTINGS, outcomes=["passed"] * 2)
        .criteria["IDC"]
        .only_failing
        == 0
    )
    nothing = evaluate("s", [failing], profile, SETTINGS, outcomes=["failed"], passing=[])
    assert nothing.criteria["IDC"].only_failing == nothing.criteria["IDC"].covered


@pytest.mark.parametrize("order", [1, -1])
def test_order_repeats_and_splits_do_not_matter(profile: Profile, order: int) -> None:
    x, y = rows(40, seed=2)
    whole = evaluate(
        "s", [state_of_rows(profile, "a", x, y)], profile, SETTINGS, outcomes=["passed"]
    )
    parts = [state_of_rows(profile, str(n), x[n : n + 9], y[n : n + 9]) for n in range(0, 40, 9)]
    split = evaluate("s", [*parts, parts[0]][::order], profile, SETTINGS, outcomes=["passed"])
    assert (split.inputs, split.correct, split.rows) == (40, whole.correct, 49)
    for name, row in split.criteria.items():
        known = whole.criteria[name]
        # The last digits of a distance may depend on the number of rows that are measured at once.
        for detail, value in row.details.items():
            wanted = known.details[detail]
            close = pytest.approx(wanted, rel=1e-5) if isinstance(wanted, float) else wanted
            assert value == close, (name, detail)
        assert replace(row, details=known.details) == known
    assert split.ladder == whole.ladder
    assert split.classes == whole.classes


def test_classes_by_label_and_by_prediction(profile: Profile) -> None:
    x, y = rows(60, seed=2, wrong=20)
    labelled = evaluate(
        "s", [state_of_rows(profile, "a", x, y)], profile, SETTINGS, outcomes=["passed"]
    )
    assert labelled.classes_from == "labels"
    assert [c.suite_inputs for c in labelled.classes] == [int((y == c).sum()) for c in range(3)]
    assert [c.name for c in labelled.classes] == ["ape", "bee", "cat"]
    assert (labelled.labelled, labelled.correct, labelled.accuracy) == (60, 40, 40 / 60)
    predicted = evaluate(
        "s", [state_of_rows(profile, "a", x)], profile, SETTINGS, outcomes=["passed"]
    )
    right = rows(60, seed=2)[1]
    assert predicted.classes_from == "predictions"
    assert [c.suite_inputs for c in predicted.classes] == [
        int((right == c).sum()) for c in range(3)
    ]
    assert predicted.accuracy is None
    assert sum(c.exercised_rows for c in labelled.classes) == (
        labelled.criteria["IDC"].exercised_rows
    )


def test_class_rows_need_labels(profile: Profile) -> None:
    x, y = rows(60, seed=2)
    chosen = profile_of(rows(300), classes="each").with_m("auto")
    judged = evaluate(
        "s", [state_of_rows(chosen, "a", x, y)], chosen, SETTINGS, outcomes=["passed"]
    )
    assert [judged.criteria[f"IDC:{c}"].inputs for c in range(3)] == [
        int((y == c).sum()) for c in range(3)
    ]
    assert judged.criteria["IDC"].judged
    blind = evaluate("s", [state_of_rows(chosen, "a", x)], chosen, SETTINGS, outcomes=["passed"])
    assert not blind.criteria["IDC"].judged
    assert blind.criteria["IDC"].details["not_judged_unlabelled"] == 60


def test_gaps_are_the_largest_groups_no_test_exercises(profile: Profile) -> None:
    x, y = rows(300)
    state = state_of_rows(profile, "a", rows(5, seed=2)[0])
    result = evaluate("s", [state], profile, SETTINGS, outcomes=["passed"])
    row, gaps = result.criteria["IDC"], result.gaps
    reached = (row.reach or 0) - (row.covered_reached or 0)
    assert len(gaps) == min(GAPS_KEPT, reached) > 3
    assert [gap.rows for gap in gaps] == sorted((gap.rows for gap in gaps), reverse=True)
    space, m = profile.spaces[0], profile.spaces[0].m
    for gap in gaps:
        index = gap.nearest_reference_index
        assert index is not None
        own = state_of_rows(profile, "b", x[index : index + 1])
        alone = evaluate("s", [own], profile, SETTINGS, outcomes=["passed"])
        assert alone.criteria["IDC"].exercised_rows == gap.rows
        more = evaluate("s", [state, own], profile, SETTINGS, outcomes=["passed"]).criteria["IDC"]
        assert more.exercised_rows == row.exercised_rows + gap.rows  # type: ignore[operator]
        assert len(gap.combination) == m
        assert all(code < k for code, k in zip(gap.combination, space.ks, strict=False))
        assert gap.main_class in ("ape", "bee", "cat")
        assert 0 < gap.main_class_rows <= gap.rows
    everything = evaluate(
        "s", [state_of_rows(profile, "c", x, y)], profile, SETTINGS, outcomes=["passed"]
    )
    assert everything.gaps == ()
    assert everything.criteria["IDC"].share == 1


@pytest.mark.parametrize("names", ["", "ape", "ape,bee,cat", "ape,bee,cat,dog"])
def test_evenness_counts_every_class_there_is(names: str) -> None:
    chosen = profile_of(rows(300)).with_m("auto")
    # Names of a data set, such as its folders; those given as a setting must be all of them.
    named = tuple(names.split(",")) if names else ()
    reference = replace(chosen.reference, class_names=named)
    chosen = replace(chosen, reference=reference)
    x, y = rows(60, seed=2)
    found = evaluate(
        "s", [state_of_rows(chosen, "a", x, y)], chosen, SETTINGS, outcomes=["passed"]
    ).evenness
    shares = [float((y == c).sum()) / 60 for c in range(3)]
    classes = 4 if names.endswith("dog") else 3
    assert found == pytest.approx(-sum(p * math.log(p) for p in shares) / math.log(classes))


@pytest.mark.parametrize("settings", [{}, {"classes": "each"}, {"scope": "all"}], ids=str)
def test_an_empty_suite(settings: dict[str, Any]) -> None:
    chosen = profile_of(rows(300), **settings).with_m("auto")
    result = evaluate("s", [], chosen, SETTINGS, outcomes=[])
    assert (result.inputs, result.rows, result.evenness, result.accuracy) == (0, 0, None, None)
    assert all(row.covered == 0 for row in result.criteria.values())
    assert all(step.covered == 0 for step in result.ladder)


@pytest.mark.parametrize("rows", [3, (CriterionRow("IDC", "ratio", 7, 1),)])
def test_a_criterion_that_computes_no_rows_or_no_ratio_is_named(
    profile: Profile, rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base.get("NC"), "compute", lambda self: rows)
    with pytest.raises(RecordingError, match=r"criterion NC (returned|covers)"):
        evaluate("s", [], profile, SETTINGS, outcomes=[])
