"""The collecting side: takes what tests recorded off their reports and makes the final report.

Lives on the process that sees all reports: the only one in a serial run, the controller under
xdist. It merges blocks by key, so that a fixture set up in two workers counts once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from pytest_deepimportance.engine.assemble import assemble
from pytest_deepimportance.engine.sessions import SessionState, TestState
from pytest_deepimportance.engine.states import BlockState
from pytest_deepimportance.glue.collection import register_criteria
from pytest_deepimportance.glue.markers import Suite, with_criteria_of
from pytest_deepimportance.profile.file import deserialise
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.results import Report, RunInfo
from pytest_deepimportance.settings import Settings


@dataclass
class ProfileTraffic:
    """Everything received for one profile."""

    profile: Profile | None = None
    tests: dict[str, TestState] = field(default_factory=dict)
    blocks: dict[str, dict[str, BlockState]] = field(default_factory=dict)
    totals: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    reruns: Counter[str] = field(default_factory=Counter)


class Collector:
    """Merges the payloads of call reports; registered once the first one arrives."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.config = config
        self.settings = settings
        register_criteria(config)
        self.traffic: dict[str, ProfileTraffic] = {}
        self.suites: dict[str, Suite] = {}
        self.ran: set[str] = set()
        self.marked = (0, 0)
        self.unmarked_tests: dict[str, int] = {}
        self.homeless: list[str] = []
        self.reports: list[Report] = []
        self.complaints: list[str] = []

    def add(self, report: pytest.TestReport, payload: Mapping[str, Any]) -> None:
        """Take one report's payload; of an attempt that is rerun only the number of passes."""
        worker = payload["worker"]
        self.unmarked_tests[worker] = payload["unmarked_tests"]
        for fingerprint, totals in payload["totals"].items():
            self._traffic(fingerprint).totals[worker] = totals
        if "suite" not in payload:
            return
        for fingerprint, entry in payload["profiles"].items():
            self._take_profile(fingerprint, entry.get("profile"))
        if str(report.outcome) == "rerun":  # pytest-rerunfailures' own word
            for fingerprint, entry in payload["profiles"].items():
                own = [b["passes"] for b in entry["blocks"] if b["key"] == report.nodeid]
                self._traffic(fingerprint).reruns[report.nodeid] += sum(own)
            return
        suite = Suite.from_wire(payload["suite"])
        self.suites[suite.name] = suite
        self.settings = with_criteria_of([suite], self.settings)
        self.marked = tuple(payload["marked"])
        self.ran.add(report.nodeid)
        if not payload["profiles"] and payload["own"] is None:
            self.homeless.append(report.nodeid)
        for fingerprint, entry in payload["profiles"].items():
            self._take(fingerprint, entry, worker, report.nodeid, suite.name, payload)

    def _traffic(self, fingerprint: str) -> ProfileTraffic:
        return self.traffic.setdefault(fingerprint, ProfileTraffic())

    def _take_profile(self, fingerprint: str, sent: bytes | None) -> None:
        traffic = self._traffic(fingerprint)
        if traffic.profile is None and sent is not None:
            traffic.profile = deserialise(sent, "worker").with_m(self.settings.m)

    def _take(
        self,
        fingerprint: str,
        entry: Mapping[str, Any],
        worker: str,
        nodeid: str,
        suite: str,
        payload: Mapping[str, Any],
    ) -> None:
        traffic = self._traffic(fingerprint)
        for data in entry["blocks"]:
            state = BlockState.from_wire(data)
            slot = f"{worker}#{data['serial']}"
            traffic.blocks.setdefault(state.key, {})[slot] = state
        traffic.tests[nodeid] = TestState(
            nodeid=nodeid,
            suite=suite,
            outcome=payload["outcome"],
            counts=payload["reached_call"],
            claims=tuple((f"{worker}#{serial}", key) for key, serial in entry["claims"]),
            passes=entry["passes"],
            inputs=entry["inputs"],
            cause=entry["cause"],
            uncounted=entry["uncounted"],
            reruns=traffic.reruns[nodeid],
            slice=tuple((name, value) for name, value in payload["slice"]),
            requirements=tuple(payload["requirements"]),
        )

    def finish(self, run: RunInfo, profiles: Mapping[str, Profile]) -> list[Report]:
        """Make one report per profile.

        Args:
            profiles: Profiles of this very process, by fingerprint (serial runs).
        """
        self.reports = []
        for fingerprint in sorted(self.traffic):
            traffic = self.traffic[fingerprint]
            profile = traffic.profile or profiles.get(fingerprint)
            if profile is None or not traffic.tests:
                continue
            state = SessionState(
                tests=tuple(traffic.tests[name] for name in sorted(traffic.tests)),
                blocks=traffic.blocks,
                totals=tuple(traffic.totals[name] for name in sorted(traffic.totals)),
                unmarked_tests=sum(self.unmarked_tests.values()),
                criteria={
                    s.name: tuple(s.criteria)
                    for s in self.suites.values()
                    if s.criteria is not None
                },
                ungated=frozenset(s.name for s in self.suites.values() if not s.gate),
                run=run,
            )
            self.reports.append(assemble(profile, self.settings, state))
        return self.reports
