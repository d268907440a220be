"""Several data files as one."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from pytest_deepimportance.errors import DataFileError
from pytest_deepimportance.store.combining import combine
from pytest_deepimportance.store.content import DESELECTED, LOST, RAN, WAITING, Content
from tests.store.builders import PROFILE, content

SUITE = {"name": "default", "criteria": None, "fail_under": ["0.5"], "gate": True, "reason": None}


def together(*contents: Content, **options: Any) -> Content:
    return combine([(f"{n}.data", one) for n, one in enumerate(contents)], **options)


def test_parts_make_the_whole_in_any_order_and_grouping() -> None:
    parts = [content({f"t.py::{n}": n}, at="2026") for n in "abc"]
    whole = content({"t.py::a": "a", "t.py::b": "b", "t.py::c": "c"}, at="2026")
    for order in itertools.permutations(parts):
        assert together(*order) == whole
        assert together(together(order[0], order[1]), order[2]) == whole
        assert together(order[0], together(order[1], order[2])) == whole


def test_a_file_combined_with_itself_is_itself() -> None:
    one = content({"t.py::a": "a", "t.py::b": "b"})
    assert together(one, one) == one


def test_a_test_run_again_with_the_same_state_counts_once_and_the_last_outcome_holds() -> None:
    first = content({"t.py::a": "a"}, outcome="failed", at="2026-01")
    again = content({"t.py::a": "a"}, outcome="passed", at="2026-02")
    for order in ((first, again), (again, first)):
        measured = together(*order).profiles[PROFILE]
        assert len(measured.blocks["t.py::a"]) == 1
        assert [test["outcome"] for test in measured.tests["t.py::a"]] == ["failed", "passed"]
    same = content({"t.py::a": "a"}, outcome="failed", at="2026-03")
    measured = together(first, same).profiles[PROFILE]
    assert [test["at"] for test in measured.tests["t.py::a"]] == ["2026-03"]


def test_a_test_with_two_states_keeps_both() -> None:
    measured = together(content({"t.py::a": "a"}), content({"t.py::a": "other"})).profiles[PROFILE]
    assert len(measured.blocks["t.py::a"]) == 2


def test_counters_of_one_owner_are_not_added_up() -> None:
    one, other = content({"t.py::a": "a"}), content({"t.py::a": "a"}, at="2027")
    other.profiles[PROFILE].counters["t.py::a"] = {"paused_passes": 9, "dropped_passes": 1}
    assert together(one, other).profiles[PROFILE].counters["t.py::a"] == {
        "paused_passes": 9, "dropped_passes": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("one", "other", "kept"),
    [(DESELECTED, RAN, RAN), (WAITING, RAN, RAN), (LOST, RAN, RAN), (DESELECTED, LOST, LOST),
     (WAITING, LOST, LOST), (DESELECTED, WAITING, WAITING)],
)  # fmt: skip
def test_what_any_of_them_did_is_done(one: str, other: str, kept: str) -> None:
    first, second = (content({}, others={"t.py::x": state}) for state in (one, other))
    assert together(first, second).run.tests == {"t.py::x": kept}
    assert together(second, first).run.tests == {"t.py::x": kept}


def test_other_profiles_are_refused_with_both_shown() -> None:
    one, other = content({"t.py::a": "a"}), content({"t.py::b": "b"}, profile="0" * 64)
    with pytest.raises(DataFileError) as caught:
        together(one, other)
    assert "f" * 12 in caught.value.what
    assert "0" * 12 in caught.value.what
    assert "0.data" in caught.value.what
    assert "--idc-profile" in caught.value.fix
    assert set(together(one, other, different_profiles=True).profiles) == {PROFILE, "0" * 64}


def test_a_shard_that_met_only_one_of_two_models_is_taken() -> None:
    both = together(
        content({"t.py::a": "a"}), content({"t.py::b": "b"}, profile="0" * 64),
        different_profiles=True,
    )  # fmt: skip
    found = together(both, content({"t.py::c": "c"}))
    assert set(found.profiles[PROFILE].tests) == {"t.py::a", "t.py::c"}


def test_other_settings_are_refused_unless_no_state_depends_on_them() -> None:
    one = content({"t.py::a": "a"}, settings={"nc_threshold": [0.5]})
    with pytest.raises(DataFileError, match="idc_nc_threshold"):
        together(one, content({"t.py::b": "b"}, settings={"nc_threshold": [0.25]}))
    moved = together(one, content({"t.py::b": "b"}, settings={"model": "elsewhere/net.py:Net"}))
    assert moved.run.settings["model"] == "elsewhere/net.py:Net"


def asking(*thresholds: str, origin: str = "ini pytest.ini") -> Content:
    found = content({"t.py::a": "a"}, settings={"fail_under": list(thresholds)})
    found.run.origins["fail_under"] = origin
    return found


def test_thresholds_of_all_shards_are_judged() -> None:
    typed, plain = asking("share=0.99", origin="command line"), asking(origin="default")
    written = asking("share=0.5", "IDC=0.1")
    wanted = ["IDC=0.1", "share=0.5", "share=0.99"]
    for parts in itertools.permutations((typed, plain, written)):
        run = together(*parts).run
        assert run.settings["fail_under"] == wanted
        assert run.origins["fail_under"] == "command line and ini pytest.ini"
        assert together(together(*parts), parts[0]).run == run
    assert together(plain, written).run.origins["fail_under"] == "ini pytest.ini"
    assert together(written, written).run.settings["fail_under"] == ["share=0.5", "IDC=0.1"]


def test_a_value_keeps_its_own_origin() -> None:
    one, other = content({}, settings={"count": "all"}), content({}, settings={"count": "all"})
    one.run.origins["count"], other.run.origins["count"] = "default", "ini pytest.ini"
    assert together(one, other).run.origins["count"] == "ini pytest.ini"


def test_a_suite_named_without_arguments_takes_those_of_the_other() -> None:
    for order in ((None, SUITE), (SUITE, None)):
        found = together(*(content({"t.py::a": "a"}, suite=suite) for suite in order))
        assert found.run.suites["default"] == SUITE
    stricter = {**SUITE, "fail_under": ["0.9"]}
    with pytest.raises(DataFileError, match="two different settings"):
        together(content({}, suite=SUITE), content({}, suite=stricter))


def test_why_runs_stopped_is_kept() -> None:
    found = together(
        content({"t.py::a": "a"}, stopped="stopping after 1 failures"), content({"t.py::b": "b"})
    )
    assert found.run.stopped == ["stopping after 1 failures"]
    assert found.run.finished
