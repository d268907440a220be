"""What waits of a test becomes what it would have been at once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pytest_deepimportance.glue.entries import Entry, Plain, Waiting, plain_of
from pytest_deepimportance.glue.watch import Watch
from tests.glue.test_watch import FIXTURE, X, profile, run, watch

__all__ = ["profile", "watch"]


def entry(watch: Watch, nodeid: str, *claimed: str, counts: bool = True) -> Entry:
    ledger: Any = SimpleNamespace(claimed_by=lambda item: list(claimed), serial=lambda key: 0)
    return Entry(watch, ledger, SimpleNamespace(), nodeid, counts=counts, skipped=not counts)  # type: ignore[arg-type]


def waiting(watch: Watch, nodeid: str) -> Waiting:
    found = Waiting.of(watch, nodeid)
    assert found is not None
    return found


@pytest.fixture
def ready(watch: Watch) -> Watch:
    """Return a watch whose first pass has shown what passes look like."""
    run(watch, "first", "test", 0, 1)
    return watch


def at_once(watch: Watch, *nodeids: str) -> list[Plain]:
    return [plain_of([entry(watch, nodeid)])[0] for nodeid in nodeids]


def test_what_waited_is_what_it_would_have_been_at_once(ready: Watch) -> None:
    for nodeid, rows in {"a": (1, 2), "b": (2, 3), "c": (1, 2), "d": (4, 9)}.items():
        run(ready, nodeid, "test", *rows)
    run(ready, "twice", "test", 9, 10)
    run(ready, "twice", "test", 10, 11)
    ids = ["a", "b", "c", "d", "twice"]
    entries = [entry(ready, i) if i == "twice" else waiting(ready, i) for i in ids]
    assert all(each.own_passes == 1 for each in entries[:4])
    assert entries[4].own_passes == 2
    together = plain_of(entries)
    assert together == at_once(ready, *ids)
    assert [plain["inputs"] for plain in together] == [1, 1, 1, 5, 2]
    assert [plain["claims"] for plain in together] == [[[i, 0]] for i in ids]


def test_rows_that_are_not_finite_are_told_all_the_same(ready: Watch) -> None:
    saved = X[20:23].clone()
    try:
        X[20] = float("nan")
        X[22] = float("inf")
        run(ready, "none", "test", 20, 21)
        run(ready, "some", "test", 21, 23)
        run(ready, "all", "test", 24, 25)
    finally:
        X[20:23] = saved
    ids = ["none", "some", "all"]
    together = plain_of([waiting(ready, nodeid) for nodeid in ids])
    assert together == at_once(ready, *ids)
    assert [plain["inputs"] for plain in together] == [0, 1, 1]
    assert "NaN or infinity" in together[0]["cause"]


def test_what_says_more_does_not_wait_alone(ready: Watch) -> None:
    assert Waiting.of(ready, "nothing recorded") is None
    assert Waiting.of(ready, "first") is None  # it was measured at once
    run(ready, "large", "test", 0, 40)
    assert Waiting.of(ready, "large") is None
    run(ready, "training", "test", 1, 2)
    ready.blocks["training"].counters.add("train_mode_passes")
    assert Waiting.of(ready, "training") is None
    run(ready, "attack", "test", 1, 2)
    x = X[1:2].clone().requires_grad_()
    ready.point_to(("attack too", "test"))
    ready.model(x).sum().backward()
    ready.point_to(None)
    assert Waiting.of(ready, "attack too") is None
    assert Waiting.of(ready, "attack") is not None


def test_a_pass_of_a_fixture_is_claimed(ready: Watch) -> None:
    run(ready, "a", "test", 1, 2)
    ready.point_to((FIXTURE, "fixture"))
    ready.point_to(None)
    assert Waiting.of(ready, "a") is not None  # the fixture made none
    run(ready, FIXTURE, "fixture", 5, 8)
    assert Waiting.of(ready, "a") is None
    (plain,) = plain_of([entry(ready, "a", FIXTURE)])
    assert plain["inputs"] == 4
    assert [key for key, _ in plain["claims"]] == [FIXTURE, "a"]
    assert [key for key, _, _ in plain["blocks"]] == [FIXTURE, "a"]


def test_what_does_not_count_is_told_as_uncounted(ready: Watch) -> None:
    run(ready, "a", "test", 1, 2)
    (plain,) = plain_of([entry(ready, "a", counts=False)])
    assert (plain["uncounted"], plain["passes"], plain["blocks"]) == (1, 0, [])
    assert "skipped" in plain["cause"]
