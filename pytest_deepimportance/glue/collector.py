"""The collecting side: takes what tests recorded off their reports.

Lives on the process that sees all reports: the only one in a serial run, the controller under
xdist. What it gathers is the content of a data file; the report is made from that, so that serial
runs, workers and combined shards come to the same numbers by the same way.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from pytest_deepimportance.glue.collection import register_criteria
from pytest_deepimportance.glue.entries import own_passes, plain_of
from pytest_deepimportance.glue.markers import Suite, with_criteria_of
from pytest_deepimportance.glue.payload import WIRE
from pytest_deepimportance.glue.progress import say
from pytest_deepimportance.profile.file import deserialise
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.results import Report
from pytest_deepimportance.settings import Settings
from pytest_deepimportance.store.content import DESELECTED, LOST, RAN, WAITING

_TOGETHER = 256
"""Tests of a serial run whose few rows are measured at a time."""


@dataclass
class Traffic:
    """Everything received for one profile; a slot is one set-up of a block in one process."""

    profile: Profile | None = None
    sent: bytes = b""
    tests: dict[str, dict[str, Any]] = field(default_factory=dict)
    blocks: dict[str, dict[str, bytes]] = field(default_factory=dict)
    counters: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    fixtures: dict[str, dict[str, int]] = field(default_factory=dict)
    reruns: Counter[str] = field(default_factory=Counter)


class Collector:
    """Merges the payloads of call reports; registered once the first one arrives.

    Attributes:
        suites: What markers say of each suite of the session, by name.
        tests: What became of each marked test, by node id.
        crashed: Tests during which a worker crashed, as pytest-xdist names them.
        devices: Where models ran, such as "cpu".
        foreign: Versions of workers whose payloads this version does not read.
    """

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.config = config
        self.settings = settings
        register_criteria(config)
        self.traffic: dict[str, Traffic] = {}
        self.suites: dict[str, Suite] = {}
        self.tests: dict[str, str] = {}
        self.foreign: dict[str, str] = {}
        self.devices: set[str] = set()
        self.reports: list[Report] = []
        self.complaints: list[str] = []
        self._said: set[str] = set()
        self._waiting: list[tuple[str, Any, str, Mapping[str, Any]]] = []
        self.crashed: list[str] = []

    def add(self, report: pytest.TestReport, payload: Mapping[str, Any]) -> None:
        """Take one report's payload; of an attempt that is rerun only the number of passes."""
        worker = payload["worker"]
        if payload.get("format") != WIRE:
            self.foreign[worker] = str(payload.get("version"))
            return
        if "before" in payload:
            self._say(payload["before"])
        for fingerprint, counters in payload.get("counters", {}).items():
            self._traffic(fingerprint).counters.setdefault(worker, {}).update(counters)
        for fingerprint, passes in payload.get("fixtures", {}).items():
            self._traffic(fingerprint).fixtures.setdefault(worker, {}).update(passes)
        if payload.get("session") is not None:
            self._take_session(payload["session"])
        if "test" in payload:
            self._take_test(payload, rerun=str(report.outcome) == "rerun")  # rerunfailures' word

    def _take_test(self, payload: Mapping[str, Any], *, rerun: bool) -> None:
        test = payload["test"]
        for fingerprint, passes in test["earlier"].items():
            self._traffic(fingerprint).reruns[test["nodeid"]] += passes
        if not rerun:
            self.tests[test["nodeid"]] = RAN
        for fingerprint, entry in payload["profiles"].items():
            if isinstance(entry, dict):
                self._take_profile(fingerprint, entry.get("profile"), entry.get("origin", "built"))
            if rerun:
                self._traffic(fingerprint).reruns[test["nodeid"]] += own_passes(entry)
            else:
                self._waiting.append((fingerprint, entry, payload["worker"], test))
        if len(self._waiting) >= _TOGETHER:
            self._take_waiting()

    @property
    def ran(self) -> list[str]:
        """Marked tests that ran."""
        return [nodeid for nodeid, state in self.tests.items() if state == RAN]

    def _say(self, lines: Any) -> None:
        """Say once what the workers want said before the tests."""
        new = [line for line in lines if line not in self._said]
        self._said.update(new)
        say(self.config, new)

    def _traffic(self, fingerprint: str) -> Traffic:
        if fingerprint not in self.traffic:
            self.traffic[fingerprint] = Traffic()
        return self.traffic[fingerprint]

    def _take_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        unsettled = [entry for _, entry, _, _ in waiting if not isinstance(entry, dict)]
        settled = iter(plain_of(unsettled))
        for fingerprint, entry, worker, test in waiting:
            plain = entry if isinstance(entry, dict) else next(settled)
            self._take(fingerprint, plain, worker, test)

    def _take_session(self, session: Mapping[str, Any]) -> None:
        for name, suite in session["suites"].items():
            self.suites[name] = Suite.from_wire(suite)
        self.settings = with_criteria_of(self.suites.values(), self.settings)
        left_out = set(session["deselected"])
        for nodeid in session["collected"]:
            self.tests.setdefault(nodeid, DESELECTED if nodeid in left_out else WAITING)

    def _take_profile(self, fingerprint: str, sent: bytes | None, origin: str) -> None:
        """Keep the first profile sent; it was built here if one of the workers built it."""
        traffic = self._traffic(fingerprint)
        if sent is None:
            return
        if traffic.profile is None:
            traffic.profile = dataclasses.replace(deserialise(sent, "worker"), origin=origin)
            traffic.sent = sent
        elif origin == "built":
            traffic.profile = dataclasses.replace(traffic.profile, origin=origin)

    def _take(
        self, fingerprint: str, entry: Mapping[str, Any], worker: str, test: Mapping[str, Any]
    ) -> None:
        traffic = self._traffic(fingerprint)
        self.devices.update(entry["devices"])
        for key, serial, state in entry["blocks"]:
            traffic.blocks.setdefault(key, {})[f"{worker}#{serial}"] = state
        traffic.tests[test["nodeid"]] = {
            "suite": test["suite"],
            "outcome": test["outcome"],
            "counts": test["counts"],
            # Tuples of text, which Python stops looking through for garbage.
            "claims": tuple([(key, f"{worker}#{serial}") for key, serial in entry["claims"]]),
            "passes": entry["passes"],
            "inputs": entry["inputs"],
            "cause": entry["cause"],
            "uncounted": entry["uncounted"],
            "reruns": traffic.reruns.get(test["nodeid"], 0),
            "slice": test["slice"],
            "requirements": test["requirements"],
        }

    def settle(self) -> None:
        """Decide, once all tests are over, what became of those whose worker crashed."""
        self._take_waiting()
        for nodeid in self.crashed:
            # pytest-xdist names a test of a group test_it.py::test_it@group.
            known = nodeid if nodeid in self.tests else nodeid.rpartition("@")[0]
            if self.tests.get(known) == WAITING:
                self.tests[known] = LOST
