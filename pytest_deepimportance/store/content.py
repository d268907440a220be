"""What sessions recorded, as plain data that merges: the content of a data file.

Nothing here sees a tensor: states of blocks and profiles are bytes, told apart by their content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

RAN, DESELECTED, LOST, WAITING = "ran", "deselected", "lost", "not run"
"""What became of a marked test: it ran; it was left out (-k, -m, --lf); it was running when its
worker crashed; the run stopped before its turn."""


@dataclass
class Run:
    """The sessions whose tests these are.

    Attributes:
        created: When the first began, ISO 8601.
        environments: What each ran on, equal ones once.
        settings: Value of every setting, JSON-ready.
        origins: Where each of these came from.
        suites: By name what the markers say of a suite.
        tests: By node id what became of a marked test.
        stopped: Why sessions stopped early.
        finished: Whether one of them did not.
        expected: Marked tests there are, where more than `tests` are known (--lf).
    """

    created: str = ""
    environments: list[dict[str, str]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    suites: dict[str, dict[str, Any]] = field(default_factory=dict)
    tests: dict[str, str] = field(default_factory=dict)
    stopped: list[str] = field(default_factory=list)
    finished: bool = True
    expected: int = 0


@dataclass
class Measured:
    """Everything recorded for one profile.

    Attributes:
        model, reference: Fingerprints of what the profile was made of.
        spec: The model as the user named it.
        profile: The profile file's bytes.
        tests: By node id what its reports told; more than once where runs differ.
        blocks: By block key, then by content: packed states.
        counters: By test or fixture: what was left out.
        fixtures: By block key: passes of a fixture, claimed or not.
    """

    model: str = ""
    reference: str = ""
    spec: str = ""
    profile: bytes = b""
    tests: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    blocks: dict[str, dict[str, bytes]] = field(default_factory=dict)
    counters: dict[str, dict[str, int]] = field(default_factory=dict)
    fixtures: dict[str, int] = field(default_factory=dict)


@dataclass
class Content:
    """A data file's content: sessions, and what they recorded by profile fingerprint."""

    run: Run
    profiles: dict[str, Measured]


def slot_of(state: bytes) -> str:
    """Return the name of a packed state among those of its block: equal content, equal name."""
    return hashlib.sha256(state).hexdigest()[:20]


def larger(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    """Return the larger count of each name: one owner seen by two processes counts once."""
    return {n: max(one.get(n, 0), other.get(n, 0)) for n in sorted({*one, *other})}
