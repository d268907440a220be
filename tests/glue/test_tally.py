"""Counters by owner."""

from __future__ import annotations

from pytest_deepimportance.glue.tally import Tally
from pytest_deepimportance.recording.counters import Counters


def test_what_happens_belongs_to_the_owner_of_that_time() -> None:
    totals = Counters()
    tally = Tally(totals)
    tally.turn("a")
    totals.add("paused_passes", 2)
    totals.add("dropped_passes", cause="passes were traced")
    tally.turn("b")
    totals.add("paused_passes")
    assert tally.unsent() == {
        "a": {"paused_passes": 2, "dropped_passes": 1, "passes were traced": 1},
        "b": {"paused_passes": 1},
    }


def test_sums_are_sent_again_only_when_they_grow() -> None:
    totals = Counters()
    tally = Tally(totals)
    tally.turn("a")
    totals.add("paused_passes")
    assert tally.unsent() == {"a": {"paused_passes": 1}}
    tally.turn("b")
    assert tally.unsent() == {}
    tally.turn("a")
    totals.note("passes gave no class")
    assert tally.unsent() == {"a": {"paused_passes": 1, "passes gave no class": 1}}


def test_counts_and_back() -> None:
    counters = Counters()
    counters.add("raised_passes", 3, cause="passes raised an exception")
    assert Counters.of(counters.counts()) == counters
    assert Counters.of(counters.counts()).sentences() == ["3 passes raised an exception"]
