"""Payloads of reports, in whatever order and from whatever process, become one report."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pytest_deepimportance.engine.stored import reports_of
from pytest_deepimportance.engine.wire import packed
from pytest_deepimportance.glue.collector import Collector
from pytest_deepimportance.glue.gathered import measured_of, run_of
from pytest_deepimportance.glue.markers import Suite
from pytest_deepimportance.glue.payload import WIRE
from pytest_deepimportance.profile.file import serialise
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.results import Report, RunInfo
from pytest_deepimportance.settings import from_keywords
from pytest_deepimportance.store.content import Content
from tests.engine.builders import SETTINGS, state_of_rows
from tests.profile.builders import profile_of, rows

X, Y = rows(40, seed=2)
FIXTURE = "fixture test_it.py::predictions"


@pytest.fixture(scope="module")
def profile() -> Profile:
    return profile_of(rows(200)).with_m("auto")


def collector(**settings: Any) -> Collector:
    config = SimpleNamespace(
        hook=SimpleNamespace(pytest_idc_criteria=list),
        pluginmanager=SimpleNamespace(getplugin=lambda name: None),
        stash=pytest.Stash(),
    )
    chosen = {"criteria": SETTINGS.criteria, **settings}
    return Collector(config, from_keywords(**chosen))  # type: ignore[arg-type]


def payload(
    profile: Profile,
    nodeid: str,
    *blocks: tuple[str, int, int],
    worker: str = "main",
    suite: Suite | None = None,
    claims: tuple[str, ...] = (),
    **rest: Any,
) -> dict[str, Any]:
    states = [state_of_rows(profile, key, X[a:b], Y[a:b]) for key, a, b in blocks]
    suite = suite or Suite()
    entry = {
        "claims": [[key, 0] for key in (*claims, nodeid)],
        "blocks": [[state.key, 0, packed([state])[0]] for state in states],
        "devices": ["cpu"],
        "passes": len(states),
        "own_passes": sum(state.passes for state in states if state.key == nodeid),
        "inputs": sum(len(state.digests) for state in states),
        "cause": "",
        "uncounted": 0,
    }
    if worker != "main":
        entry["profile"] = rest.pop("sent", None)
    test = {
        "nodeid": nodeid, "suite": suite.name, "outcome": "passed", "counts": True,
        "slice": [], "requirements": [], "earlier": {},
    }  # fmt: skip
    counters = {nodeid: {"paused_passes": 2}, "unmarked": {"unmarked_passes": 3}}
    return {
        "format": WIRE,
        "version": "0",
        "worker": worker,
        "counters": {profile.fingerprint: counters},
        "fixtures": {profile.fingerprint: {FIXTURE: 1, "fixture nobody": 4}},
        "session": {
            "suites": {suite.name: suite.to_wire()},
            "collected": ["a", "b", "c", "d", "e"],
            "deselected": ["e"],
        },
        "test": {**test, **rest.pop("test", {})},
        "profiles": {profile.fingerprint: entry},
        **rest,
    }


def report_of(nodeid: str, outcome: str = "passed") -> Any:
    return SimpleNamespace(nodeid=nodeid, outcome=outcome)


def reports(found: Collector, *profiles: Profile) -> list[Report]:
    """Return the reports of a finished session."""
    found.settle()
    run = run_of(found, SESSION, 0)
    known = {p.fingerprint: p for p in profiles}
    known |= {f: t.profile for f, t in found.traffic.items() if t.profile is not None}
    measured = {
        fingerprint: measured_of(traffic, known[fingerprint], run.created)
        for fingerprint, traffic in found.traffic.items()
        if traffic.tests
    }
    content = Content(run, measured)
    return reports_of(
        content, found.settings, {f: p.with_m(found.settings.m) for f, p in known.items()}
    )


SESSION: Any = SimpleNamespace(shouldstop=False, shouldfail=False)


def test_serial(profile: Profile) -> None:
    found = collector()
    found.add(report_of("a"), payload(profile, "a", ("a", 0, 10), (FIXTURE, 10, 30),
                                      claims=(FIXTURE,)))  # fmt: skip
    found.add(report_of("b"), payload(profile, "b", claims=(FIXTURE,), suite=Suite("dark")))
    (report,) = reports(found, profile)
    assert (report.total.inputs, report.total.tests) == (30, 2)
    assert [(suite.name, suite.inputs) for suite in report.suites] == [
        ("dark", 20),
        ("default", 30),
    ]
    assert report.exclusions.paused_passes == 4
    assert (report.exclusions.unmarked_tests, report.exclusions.unmarked_passes) == (1, 3)
    assert report.exclusions.unclaimed_passes == 4
    assert report.run == RunInfo(marked_collected=5, marked_ran=2, deselected=1)


def test_workers_send_the_profile_and_equal_fixture_blocks_merge(profile: Profile) -> None:
    found = collector(m=2)
    for worker, nodeid, a in (("gw1", "a", 0), ("gw0", "b", 5)):
        found.add(
            report_of(nodeid),
            payload(profile, nodeid, (nodeid, a, a + 5), (FIXTURE, 10, 30), worker=worker,
                    claims=(FIXTURE,), sent=serialise(profile)),
        )  # fmt: skip
    (report,) = reports(found)
    assert (report.total.inputs, report.total.rows) == (30, 30)
    assert report.exclusions.paused_passes == 4  # of two tests
    assert report.exclusions.unmarked_passes == 3  # of one test that both workers ran
    assert report.profile.spaces[0].m == 2


def test_an_attempt_that_is_rerun_carries_nothing_but_the_profile(profile: Profile) -> None:
    found = collector()
    first = payload(profile, "a", ("a", 0, 20), worker="gw0", sent=serialise(profile))
    found.add(report_of("a", "rerun"), first)
    assert found.ran == []
    found.add(report_of("a"), payload(profile, "a", ("a", 0, 5), worker="gw0"))
    (report,) = reports(found)
    assert (report.total.inputs, report.total.tests) == (5, 1)
    assert report.exclusions.rerun_passes == 1


def test_the_newest_state_of_a_block_counts(profile: Profile) -> None:
    found = collector()
    found.add(report_of("a"), payload(profile, "a", (FIXTURE, 0, 5), claims=(FIXTURE,)))
    found.add(report_of("b"), payload(profile, "b", (FIXTURE, 0, 9), claims=(FIXTURE,)))
    (report,) = reports(found, profile)
    assert report.total.rows == 9


def test_two_profiles_give_two_reports_that_are_never_mixed(profile: Profile) -> None:
    other = profile_of(rows(200, seed=7)).with_m("auto")
    found = collector()
    found.add(report_of("a"), payload(profile, "a", ("a", 0, 10)))
    found.add(report_of("b"), payload(other, "b", ("b", 10, 40)))
    made = reports(found, profile, other)
    assert {r.profile.fingerprint: r.total.inputs for r in made} == {
        profile.fingerprint: 10, other.fingerprint: 30,
    }  # fmt: skip


def test_unmarked_tests_and_tests_without_a_profile(profile: Profile) -> None:
    found = collector()
    plain = payload(profile, "a")
    found.add(report_of("plain"), {k: plain[k] for k in ("format", "worker", "counters")})
    assert found.ran == []
    found.add(report_of("a"), {**payload(profile, "a"), "profiles": {}})
    assert found.ran == ["a"]
    assert reports(found) == []


def test_a_worker_of_another_version_is_not_read(profile: Profile) -> None:
    found = collector()
    other = {
        **payload(profile, "a", ("a", 0, 10), worker="gw1"),
        "format": WIRE + 1,
        "version": "9",
    }
    found.add(report_of("a"), other)
    assert found.foreign == {"gw1": "9"}
    assert found.ran == []


def test_a_test_whose_worker_crashed_is_lost_unless_it_ran_elsewhere(profile: Profile) -> None:
    found = collector()
    found.add(report_of("a"), payload(profile, "a", ("a", 0, 10)))
    found.crashed = ["a", "b@group", "nobody"]
    (report,) = reports(found, profile)
    assert report.run.lost == ("b",)
    assert report.run.partial
    assert report.run.marked_ran == 1


def test_skipped_tests_are_listed_and_count_nothing(profile: Profile) -> None:
    found = collector()
    found.add(report_of("a"), payload(profile, "a", ("a", 0, 10),
                                      test={"counts": False, "outcome": "skipped"}))  # fmt: skip
    found.add(report_of("b"), payload(profile, "b", ("b", 10, 15), suite=Suite("x", gate=False)))
    (report,) = reports(found, profile)
    assert report.total.inputs == 0
    assert [(t.nodeid, t.outcome) for t in report.tests] == [("a", "skipped"), ("b", "passed")]
    assert [suite.inputs for suite in report.suites] == [0, 5]
