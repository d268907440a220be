"""What travels on a test's report, with the number of its format: builtins and bytes only.

In a serial run it does not travel, and what a test recorded may wait there as it is (`Entry`).
"""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from pytest_deepimportance import __version__
from pytest_deepimportance.glue.entries import Entry, Waiting, own_passes, plain_of
from pytest_deepimportance.glue.keys import PART_FAILED, node_id
from pytest_deepimportance.glue.markers import REQUIREMENTS, SLICE, SUITE
from pytest_deepimportance.glue.watch import WATCH

if TYPE_CHECKING:
    from pytest_deepimportance.glue.recording import Recording

WIRE = 5
"""Format of the payload. History: 1 = nested states, counters of a process; 2 = packed states,
counters by test and fixture, node ids without the group that pytest-xdist appends; 3 = small blocks
keep their rows; 4 = states by `engine.wire`; 5 = passes of attempts that nobody was shown."""


class Sender:
    """Makes the payloads of one process.

    What belongs to no single test is put on a report only when that is handed on: flaky makes
    reports of attempts that nobody gets to see.

    Args:
        recording: The recording side of the session.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._session_sent = False
        self.before: list[str] = []
        self.forked = False
        self._process = os.getpid()
        told = getattr(recording.config, "workerinput", None)
        # Payloads of a worker go to another process: they must be complete then.
        self.travels = told is not None
        worker = (told or {}).get("workerid", "main")
        self._head = {"format": WIRE, "version": __version__, "worker": worker}
        self._made: dict[str, dict[str, Any]] = {}
        self._unseen: dict[str, Counter[str]] = {}

    def look_around(self) -> None:
        """Find out whether this process was forked for one test, with which it ends."""
        if os.getpid() != self._process and not self.forked:
            self.forked = self.travels = True
            self._head["worker"] = f"{self._head['worker']}/{os.getpid()}"

    def hand_on(self, report: pytest.TestReport) -> None:
        """Put on a report that somebody gets what no report has brought there yet."""
        payload = getattr(report, "idc", None)
        if payload is not None and payload["worker"] != self._head["worker"]:
            return  # of a process that was forked: it brings all that is known there
        more = {}
        if self.before:
            more["before"], self.before = self.before, []
        if report.when != "setup" or not report.passed:
            more |= self._left_out()
        if payload is not None:
            self._complete(payload)
            payload |= more
        elif any(more.values()):
            report.idc = {**self._head, **more}  # type: ignore[attr-defined]

    def _complete(self, payload: dict[str, Any]) -> None:
        payload["session"] = self._session_once()
        nodeid, profiles = payload["test"]["nodeid"], payload["profiles"]
        self._made.pop(nodeid, None)
        self._unseen.pop(nodeid, None)
        for watch in self._recording.watches if self.travels else ():
            if watch.profile.fingerprint in profiles:
                # The controller may be on another machine: it gets the profile itself, once.
                profiles[watch.profile.fingerprint]["profile"] = watch.profile_bytes_once()

    def count_unseen(self, fingerprint: str, nodeid: str, passes: int) -> None:
        """Note passes of an earlier attempt at a test, of which no report tells."""
        self._unseen.setdefault(nodeid, Counter())[fingerprint] += passes

    def _earlier(self, nodeid: str) -> dict[str, int]:
        """Return the passes of attempts at a test that nobody was shown."""
        for fingerprint, entry in self._made.pop(nodeid, {}).items():
            self.count_unseen(fingerprint, nodeid, own_passes(entry))
        return dict(self._unseen.get(nodeid, ()))

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
        earlier = self._earlier(nodeid)
        profiles = self._made[nodeid] = self._profiles(item, nodeid, report, counts)
        return {
            **self._head,
            "test": {
                "nodeid": nodeid,
                "suite": stash[SUITE].name,
                "outcome": "xfailed" if xfailed else outcome,
                "counts": counts,
                "slice": [list(tag) for tag in stash[SLICE]] if SLICE in stash else (),
                "requirements": [*stash[REQUIREMENTS]] if REQUIREMENTS in stash else (),
                "earlier": earlier,
            },
            "profiles": profiles,
        }

    def _profiles(
        self, item: pytest.Item, nodeid: str, report: pytest.TestReport, counts: bool
    ) -> dict[str, Any]:
        """Return the entry of each profile that the test was to exercise, or did."""
        profiles: dict[str, Any] = {}
        chosen = item.stash.get(WATCH, None)
        for watch in self._recording.watches:
            own = watch is chosen
            if own and counts and not self.travels and (waiting := Waiting.of(watch, nodeid)):
                profiles[watch.profile.fingerprint] = waiting
                continue
            ledger = self._recording.ledger
            entry = Entry(watch, ledger, item, nodeid, counts=counts, skipped=report.skipped)
            if own and not self.travels and entry.waits:
                profiles[watch.profile.fingerprint] = entry
                continue
            plain = plain_of([entry])[0]
            if self.travels:
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
