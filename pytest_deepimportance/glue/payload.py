"""What travels on a test's report, with the number of its format: builtins and bytes only.

In a serial run it does not travel, and what a test recorded may wait there as it is (`Entry`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_deepimportance import __version__
from pytest_deepimportance.glue.entries import Entry, Waiting, plain_of
from pytest_deepimportance.glue.keys import PART_FAILED, node_id
from pytest_deepimportance.glue.markers import REQUIREMENTS, SLICE, SUITE
from pytest_deepimportance.glue.watch import WATCH

if TYPE_CHECKING:
    from pytest_deepimportance.glue.recording import Recording

WIRE = 4
"""Format of the payload. History: 1 = nested states, counters of a process; 2 = packed states,
counters by test and fixture, node ids without the group that pytest-xdist appends; 3 = small blocks
keep their rows; 4 = states by `engine.wire`."""


class Sender:
    """Makes the payloads of one process.

    Args:
        recording: The recording side of the session.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._session_sent = False
        self.before: list[str] = []
        told = getattr(recording.config, "workerinput", None)
        # Payloads of a worker go to another process: they must be complete then.
        self._travels = told is not None
        worker = (told or {}).get("workerid", "main")
        self._head = {"format": WIRE, "version": __version__, "worker": worker}

    def of_setup(self) -> dict[str, Any] | None:
        """Return what must be said before the tests, when there is something new."""
        if not self.before:
            return None
        said, self.before = self.before, []
        return {**self._head, "before": said}

    def of_unmarked(self) -> dict[str, Any] | None:
        """Return what an unmarked test and its fixtures did, when that is anything."""
        left_out = self._left_out()
        return {**self._head, **left_out} if any(left_out.values()) else None

    def of_marked(
        self, item: pytest.Item, report: pytest.TestReport, reached_call: bool
    ) -> dict[str, Any]:
        """Return what a marked test recorded."""
        xfailed = hasattr(report, "wasxfail") and not report.passed
        counts = bool(reached_call and (report.passed or report.failed or xfailed))
        # pytest reports failed subtests by themselves, and the test around them as passed.
        broken = report.passed and item.stash.get(PART_FAILED, False)
        outcome = "failed" if broken else report.outcome
        nodeid, stash = node_id(item), item.stash
        return {
            **self._head,
            **self._left_out(),
            "session": self._session_once(),
            "test": {
                "nodeid": nodeid,
                "suite": stash[SUITE].name,
                "outcome": "xfailed" if xfailed else outcome,
                "counts": counts,
                "slice": [list(tag) for tag in stash[SLICE]] if SLICE in stash else (),
                "requirements": [*stash[REQUIREMENTS]] if REQUIREMENTS in stash else (),
            },
            "profiles": self._profiles(item, nodeid, report, counts),
        }

    def _profiles(
        self, item: pytest.Item, nodeid: str, report: pytest.TestReport, counts: bool
    ) -> dict[str, Any]:
        """Return the entry of each profile that the test was to exercise, or did."""
        profiles: dict[str, Any] = {}
        chosen = item.stash.get(WATCH, None)
        for watch in self._recording.watches:
            own = watch is chosen
            if own and counts and not self._travels and (waiting := Waiting.of(watch, nodeid)):
                profiles[watch.profile.fingerprint] = waiting
                continue
            ledger = self._recording.ledger
            entry = Entry(watch, ledger, item, nodeid, counts=counts, skipped=report.skipped)
            if own and not self._travels and entry.waits:
                profiles[watch.profile.fingerprint] = entry
                continue
            plain = plain_of([entry])[0]
            if self._travels:
                # The controller may be on another machine: it gets the profile itself, once.
                plain["profile"] = watch.profile_bytes_once()
                plain["origin"] = watch.profile.origin
            if own or plain["blocks"] or plain["inputs"]:
                profiles[watch.profile.fingerprint] = plain
        return profiles

    def _left_out(self) -> dict[str, Any]:
        counters, fixtures = {}, {}
        for watch in self._recording.watches:
            if unsent := watch.tally.unsent():
                counters[watch.profile.fingerprint] = unsent
            if passes := watch.unsent_fixture_passes():
                fixtures[watch.profile.fingerprint] = passes
        return {"counters": counters, "fixtures": fixtures}

    def _session_once(self) -> dict[str, Any] | None:
        """Return the marked tests of the session the first time, None afterwards."""
        if self._session_sent:
            return None
        self._session_sent = True
        recording = self._recording
        return {
            "suites": {name: suite.to_wire() for name, suite in recording.suites.items()},
            "collected": recording.collected,
            "deselected": recording.deselected,
        }
