"""Contents of data files, small and without torch."""

from __future__ import annotations

from typing import Any

from pytest_deepimportance.store.content import RAN, Content, Measured, Run, slot_of
from pytest_deepimportance.store.packing import pack

PROFILE = "f" * 64


def state(text: str) -> bytes:
    return pack({"text": text, "digests": text.encode() * 3})


def content(
    tests: dict[str, str],
    *,
    profile: str = PROFILE,
    at: str = "2026-01-01T00:00:00+00:00",
    settings: dict[str, Any] | None = None,
    outcome: str = "passed",
    others: dict[str, str] | None = None,
    suite: dict[str, Any] | None = None,
    stopped: str = "",
) -> Content:
    """Return what a session recorded: for each test the text that makes its state."""
    measured = Measured(model="m" * 64, reference="r" * 64, spec="net:Net", profile=b"profile")
    for nodeid, text in tests.items():
        packed = state(text)
        slot = slot_of(packed)
        measured.blocks[nodeid] = {slot: packed}
        measured.tests[nodeid] = [{
            "suite": "default", "outcome": outcome, "counts": True, "claims": [[nodeid, slot]],
            "passes": 1, "inputs": 1, "cause": "", "uncounted": 0, "reruns": 0, "slice": [],
            "requirements": [], "at": at,
        }]  # fmt: skip
        measured.counters[nodeid] = {"paused_passes": len(nodeid)}
    plain = {"name": "default", "criteria": None, "fail_under": [], "gate": True, "reason": None}
    run = Run(
        created=at,
        environments=[{"python": "3.11"}],
        settings={"nc_threshold": [0.5], "model": "net:Net", **(settings or {})},
        origins={"nc_threshold": "default", "model": "command line"},
        suites={"default": suite or plain},
        tests={**dict.fromkeys(tests, RAN), **(others or {})},
        stopped=[stopped] if stopped else [],
        finished=not stopped,
    )
    return Content(run, {profile: measured})
