"""Payloads of reports, in whatever order and from whatever process, become one report."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pytest_deepimportance.glue.collector import Collector
from pytest_deepimportance.glue.markers import Suite
from pytest_deepimportance.profile.file import serialise
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.results import RunInfo
from pytest_deepimportance.settings import from_keywords
from tests.engine.builders import SETTINGS, state_of_rows
from tests.profile.builders import profile_of, rows

X, Y = rows(40, seed=2)
FIXTURE = "fixture test_it.py::predictions"


@pytest.fixture(scope="module")
def profile() -> Profile:
    return profile_of(rows(200)).with_m("auto")


def collector(**settings: Any) -> Collector:
    config = SimpleNamespace(hook=SimpleNamespace(pytest_idc_criteria=list))
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
    entry = {
        "claims": [[key, 0] for key in (*claims, nodeid)],
        "blocks": [{**state.to_wire(), "serial": 0} for state in states],
        "passes": len(states),
        "inputs": sum(len(state.digests) for state in states),
        "cause": "",
        "uncounted": 0,
    }
    if worker != "main":
        entry["profile"] = rest.pop("sent", None)
    return {
        "worker": worker,
        "totals": {profile.fingerprint: {"paused_passes": 2, "details": []}},
        "unmarked_tests": 3,
        "suite": (suite or Suite()).to_wire(),
        "outcome": "passed",
        "reached_call": True,
        "slice": [],
        "requirements": [],
        "marked": [5, 1],
        "own": profile.fingerprint,
        "profiles": {profile.fingerprint: entry},
        **rest,
    }


def report_of(nodeid: str, outcome: str = "passed") -> Any:
    return SimpleNamespace(nodeid=nodeid, outcome=outcome)


def test_serial(profile: Profile) -> None:
    found = collector()
    found.add(report_of("a"), payload(profile, "a", ("a", 0, 10), (FIXTURE, 10, 30),
                                      claims=(FIXTURE,)))  # fmt: skip
    found.add(report_of("b"), payload(profile, "b", claims=(FIXTURE,), suite=Suite("dark")))
    (report,) = found.finish(RunInfo(5, 2, 1), {profile.fingerprint: profile})
    assert (report.total.inputs, report.total.tests) == (30, 2)
    assert [(suite.name, suite.inputs) for suite in report.suites] == [
        ("dark", 20),
        ("default", 30),
    ]
    assert report.exclusions.paused_passes == 2  # counters of a process are totals, not added up
    assert report.exclusions.unmarked_tests == 3
    assert (found.marked, found.ran) == ((5, 1), {"a", "b"})


def test_workers_send_the_profile_and_equal_fixture_blocks_merge(profile: Profile) -> None:
    found = collector(m=2)
    for worker, nodeid, a in (("gw1", "a", 0), ("gw0", "b", 5)):
        found.add(
            report_of(nodeid),
            payload(profile, nodeid, (nodeid, a, a + 5), (FIXTURE, 10, 30), worker=worker,
                    claims=(FIXTURE,), sent=serialise(profile)),
        )  # fmt: skip
    (report,) = found.finish(RunInfo(), {})
    assert (report.total.inputs, report.total.rows) == (30, 30)
    assert report.exclusions.paused_passes == 4
    assert report.exclusions.unmarked_tests == 6
    assert report.profile.spaces[0].m == 2


def test_an_attempt_that_is_rerun_carries_nothing_but_the_profile(profile: Profile) -> None:
    found = collector()
    first = payload(profile, "a", ("a", 0, 20), worker="gw0", sent=serialise(profile))
    found.add(report_of("a", "rerun"), first)
    assert found.ran == set()
    found.add(report_of("a"), payload(profile, "a", ("a", 0, 5), worker="gw0"))
    (report,) = found.finish(RunInfo(), {})
    assert (report.total.inputs, report.total.tests) == (5, 1)
    assert report.exclusions.rerun_passes == 1


def test_the_newest_state_of_a_block_counts(profile: Profile) -> None:
    found = collector()
    found.add(report_of("a"), payload(profile, "a", (FIXTURE, 0, 5), claims=(FIXTURE,)))
    found.add(report_of("b"), payload(profile, "b", (FIXTURE, 0, 9), claims=(FIXTURE,)))
    (report,) = found.finish(RunInfo(), {profile.fingerprint: profile})
    assert report.total.rows == 9


def test_two_profiles_give_two_reports_that_are_never_mixed(profile: Profile) -> None:
    other = profile_of(rows(200, seed=7)).with_m("auto")
    found = collector()
    found.add(report_of("a"), payload(profile, "a", ("a", 0, 10)))
    found.add(report_of("b"), payload(other, "b", ("b", 10, 40)))
    known = {profile.fingerprint: profile, other.fingerprint: other}
    reports = found.finish(RunInfo(), known)
    assert {r.profile.fingerprint: r.total.inputs for r in reports} == {
        profile.fingerprint: 10, other.fingerprint: 30,
    }  # fmt: skip


def test_unmarked_tests_and_tests_without_a_profile(profile: Profile) -> None:
    found = collector()
    found.add(report_of("plain"), {"worker": "main", "totals": {}, "unmarked_tests": 1})
    assert found.ran == set()
    found.add(report_of("a"), {**payload(profile, "a"), "profiles": {}, "own": None, "totals": {}})
    assert found.homeless == ["a"]
    assert found.finish(RunInfo(), {}) == []


def test_skipped_tests_are_listed_and_count_nothing(profile: Profile) -> None:
    found = collector()
    found.add(report_of("a"), payload(profile, "a", ("a", 0, 10), reached_call=False,
                                      outcome="skipped"))  # fmt: skip
    found.add(report_of("b"), payload(profile, "b", ("b", 10, 15), suite=Suite("x", gate=False)))
    (report,) = found.finish(RunInfo(), {profile.fingerprint: profile})
    assert report.total.inputs == 0
    assert [(t.nodeid, t.outcome) for t in report.tests] == [("a", "skipped"), ("b", "passed")]
    assert [suite.inputs for suite in report.suites] == [0, 5]
