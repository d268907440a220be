"""Blocks of several tests and workers become suites and the total."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from pytest_deepimportance.engine.assemble import assemble
from pytest_deepimportance.engine.sessions import SessionState
from pytest_deepimportance.engine.states import BlockState
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.results import Report, RunInfo
from pytest_deepimportance.settings import TABLE, from_keywords
from tests.engine.builders import SETTINGS, session, state_of_rows
from tests.profile.builders import profile_of, rows

X, Y = rows(60, seed=2)
FIXTURE = "fixture tests/test_a.py::predictions"


@pytest.fixture(scope="module")
def profile() -> Profile:
    return profile_of(rows(300)).with_m("auto")


def block(profile: Profile, key: str, start: int, stop: int, **changes: Any) -> BlockState:
    labels = None if changes.pop("unlabelled", False) else Y[start:stop]
    return state_of_rows(profile, key, X[start:stop], labels, **changes)


def report(profile: Profile, state: SessionState, **settings: Any) -> Report:
    chosen = {"criteria": SETTINGS.criteria, **settings}
    return assemble(profile, from_keywords(**chosen), state)


def test_a_fixture_block_counts_once_in_its_suite_and_in_every_suite_that_claims_it(
    profile: Profile,
) -> None:
    fixture = block(profile, FIXTURE, 0, 20)
    state = session(
        {
            "a": ("clean", "passed", [("main", FIXTURE), ("main", "a")]),
            "b": ("clean", "passed", [("main", FIXTURE)]),
            "c": ("noisy", "passed", [("main", FIXTURE)]),
        },
        [("main", fixture), ("main", block(profile, "a", 20, 25))],
    )
    found = report(profile, state)
    assert [(s.name, s.tests, s.inputs, s.rows) for s in found.suites] == [
        ("clean", 2, 25, 25), ("noisy", 1, 20, 20),
    ]  # fmt: skip
    assert (found.total.inputs, found.total.rows, found.total.tests) == (25, 25, 3)


def test_two_workers_with_equal_inputs_count_once_and_keep_the_labels(profile: Profile) -> None:
    state = session(
        {
            "a": ("s", "passed", [("gw0", FIXTURE)]),
            "b": ("s", "passed", [("gw1", FIXTURE)]),
        },
        [
            ("gw0", block(profile, FIXTURE, 0, 20, unlabelled=True)),
            ("gw1", block(profile, FIXTURE, 0, 20)),
        ],
    )
    found = report(profile, state)
    assert (found.total.rows, found.total.labelled) == (20, 20)
    assert found.notes == ()


def test_two_workers_with_different_inputs_are_both_kept_and_the_fixture_is_named(
    profile: Profile,
) -> None:
    tests = {"a": ("s", "passed", [("gw0", FIXTURE)]), "b": ("s", "passed", [("gw1", FIXTURE)])}
    state = session(
        tests,
        [("gw0", block(profile, FIXTURE, 0, 20)), ("gw1", block(profile, FIXTURE, 10, 30))],
    )
    found = report(profile, state)
    assert (found.total.inputs, found.total.rows) == (30, 40)
    assert [note for note in found.notes if FIXTURE in note and "not reproducible" in note]
    (only,) = [t for t in state.tests if t.nodeid == "a"]
    alone = report(profile, dataclasses.replace(state, tests=(only,)))
    assert (alone.total.rows, alone.notes) == (20, ())


def test_workers_and_order_of_arrival_do_not_matter(profile: Profile) -> None:
    blocks = [block(profile, FIXTURE, 0, 20), block(profile, "a", 20, 40),
              block(profile, "b", 40, 60)]  # fmt: skip
    serial = session(
        {"a": ("s", "passed", [("main", FIXTURE), ("main", "a")]),
         "b": ("s", "passed", [("main", FIXTURE), ("main", "b")])},
        [("main", state) for state in blocks],
    )  # fmt: skip
    spread = session(
        {"a": ("s", "passed", [("gw1", FIXTURE), ("gw1", "a")]),
         "b": ("s", "passed", [("gw0", FIXTURE), ("gw0", "b")])},
        [("gw0", blocks[2]), ("gw1", blocks[0]), ("gw1", blocks[1]), ("gw0", blocks[0])],
    )  # fmt: skip
    one, other = report(profile, serial), report(profile, spread)
    assert one.total == other.total
    assert one.suites == other.suites


def test_a_suite_without_gate_is_left_out_of_the_total(profile: Profile) -> None:
    tests = {"a": ("clean", "passed", [("main", "a")]), "b": ("wild", "passed", [("main", "b")])}
    blocks = [("main", block(profile, "a", 0, 20)), ("main", block(profile, "b", 20, 60))]
    found = report(profile, session(tests, blocks, ungated=frozenset({"wild"})))
    assert (found.total.inputs, found.total.tests) == (20, 1)
    assert [suite.inputs for suite in found.suites] == [20, 40]
    assert "TOTAL leaves out wild (gate=False)" in found.notes
    alone = report(profile, session({"b": tests["b"]}, blocks[1:], ungated=frozenset({"wild"})))
    assert alone.total.inputs == 40  # with nothing else there is nothing to leave it out of


def test_count_passed_leaves_failed_tests_out(profile: Profile) -> None:
    state = session(
        {
            "a": ("s", "passed", [("main", "a"), ("main", FIXTURE)]),
            "b": ("s", "failed", [("main", "b"), ("main", FIXTURE)]),
            "c": ("s", "xfailed", [("main", "c")]),
            "d": ("s", "skipped", [("main", "d")]),
        },
        [("main", block(profile, key, start, start + 10))
         for start, key in enumerate(["a", "b", "c", "d", FIXTURE])],
    )  # fmt: skip
    everything, passed = report(profile, state), report(profile, state, count="passed")
    assert (everything.total.rows, passed.total.rows) == (40, 20)
    for total in (everything.total, passed.total):
        assert (total.tests, total.failed_tests) == (4, 1)
        assert (total.xfailed_tests, total.skipped_tests) == (1, 1)
    assert everything.exclusions.unvouched_passes == 0
    assert passed.exclusions.unvouched_passes == 2
    row = everything.criteria["IDC"]
    assert row.covered - row.only_failing == passed.criteria["IDC"].covered
    assert passed.criteria["IDC"].only_failing == 0


def test_exclusions_of_all_workers_are_added_up(profile: Profile) -> None:
    bad = block(profile, "a", 0, 5)._replace(non_finite={"fc2": 3, "fc1": 1})
    names = ("attack_passes", "paused_passes", "unmarked_passes", "unclaimed_passes",
             "other_weights_passes", "partial_model_calls", "dropped_passes",
             "raised_passes")  # fmt: skip
    totals = tuple(
        {**{name: number * 10 + worker for number, name in enumerate(names, 1)},
         "details": ["the same", f"of {worker}"]}
        for worker in (1, 2)
    )  # fmt: skip
    state = session(
        {"a": ("s", "passed", [("gw0", "a")])},
        [("gw0", bad), ("gw0", block(profile, "nobody's", 5, 9))],
        totals=totals, unmarked_tests=4, run=RunInfo(3, 1, 2), notes=("said before",),
    )  # fmt: skip
    found = report(profile, state)
    left = found.exclusions
    for number, name in enumerate(names, 1):
        extra = 1 if name == "unclaimed_passes" else 0
        assert getattr(left, name) == 2 * number * 10 + 3 + extra, name
    assert (left.unmarked_tests, left.non_finite_rows) == (4, 4)
    assert left.details[:3] == ("of 1", "of 2", "the same")
    assert "3 rows with NaN or infinity in fc2: a" in left.details
    assert (found.run.deselected, found.notes) == (2, ("said before",))


def test_training_mode_is_said(profile: Profile) -> None:
    state = session(
        {"a": ("s", "passed", [("main", "a")])},
        [("main", block(profile, "a", 0, 5, train_mode_passes=2))],
    )
    assert any("2 passes ran in training mode" in note for note in report(profile, state).notes)


def test_everything_else_in_the_report(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    state = session({"a": ("s", "passed", [("main", "a")])}, [("main", block(profile, "a", 0, 5))])
    found = report(profile, state, m=3, class_names="a,b,c")
    assert found.created == "1970-01-02T00:00:00+00:00"
    assert [row.name for row in found.settings] == list(TABLE)
    values = {row.name: (row.value, row.origin) for row in found.settings}
    assert values["m"] == ("3", "keyword")
    assert values["class_names"] == ("a, b, c", "keyword")
    assert values["layer"] == ("", "default")
    assert found.environment["torch"]
    assert (found.tests[0].nodeid, found.tests[0].suite) == ("a", "s")
    assert found == Report.from_json(found.to_json())
