from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pytest_deepimportance.engine import stored
from pytest_deepimportance.glue.finish import write_files
from pytest_deepimportance.glue.gathered import run_of
from pytest_deepimportance.results import RunInfo
from pytest_deepimportance.settings import from_keywords
from tests.reporting.samples import passing


class Cache(dict[str, Any]):
    def set(self, name: str, value: Any) -> None:
        self[name] = value


def state(
    collected: int, deselected: int = 0, *, lf: bool = False, cache: Cache | None = None
) -> Any:
    config = SimpleNamespace(option=SimpleNamespace(lf=lf), cache=cache, stash=pytest.Stash())
    left_out = ["deselected"] * deselected
    states = [*left_out, *["ran"] * (collected - deselected)]
    return SimpleNamespace(
        tests={str(number): what for number, what in enumerate(states)},
        config=config, suites={}, devices=set(), settings=from_keywords(),
    )  # fmt: skip


def run_info(found: Any, session: Any, status: int) -> RunInfo:
    return stored.run_info(run_of(found, session, status))


def session(**stops: Any) -> Any:
    return SimpleNamespace(**{"shouldstop": False, "shouldfail": False, **stops})


@pytest.mark.parametrize("status", [0, 1])
def test_a_run_that_ended_by_itself_is_complete(status: int) -> None:
    info = run_info(state(4, 1), session(), status)
    assert (info.marked_collected, info.deselected, info.complete) == (4, 1, True)


@pytest.mark.parametrize(
    ("status", "stops", "because"),
    [
        (2, {}, "exit status 2"),
        (3, {}, "exit status 3"),
        (1, {"shouldstop": "stopping after 1 failures"}, "stopping after 1 failures"),
        (1, {"shouldfail": "maxfail"}, "maxfail"),
    ],
)
def test_a_run_that_was_stopped_says_why(status: int, stops: dict[str, str], because: str) -> None:
    info = run_info(state(4), session(**stops), status)
    assert not info.complete
    assert because in info.incomplete_because


def test_last_failed_leaves_tests_out_without_telling_anybody() -> None:
    cache = Cache()
    assert run_info(state(10, cache=cache), session(), 1).deselected == 0
    partial = run_info(state(2, lf=True, cache=cache), session(), 0)
    assert (partial.marked_collected, partial.deselected, partial.partial) == (10, 8, True)
    again = run_info(state(10, lf=True, cache=cache), session(), 0)
    assert not again.partial
    assert run_info(state(2, lf=True, cache=Cache()), session(), 0).deselected == 0


def test_a_report_that_cannot_be_written_is_said_and_the_others_are_kept(tmp_path: Any) -> None:
    (tmp_path / "file").write_text("")
    wanted = [f"json:{tmp_path}/file/idc.json", f"json:{tmp_path}/good.json"]
    started = SimpleNamespace(args=(), dir=tmp_path)
    collector: Any = SimpleNamespace(
        settings=from_keywords(report=wanted),
        complaints=[],
        config=SimpleNamespace(invocation_params=started, stash=pytest.Stash()),
    )
    write_files(collector, [passing()])
    assert (tmp_path / "good.json").exists()
    (complaint,) = collector.complaints
    assert wanted[0] in complaint
    write_files(collector, [])
    assert len(collector.complaints) == 1
