"""What a session recorded for one profile, as its reports told it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pytest_deepimportance.data.tags import Tags
from pytest_deepimportance.engine.states import BlockState
from pytest_deepimportance.results import RunInfo


class TestState(NamedTuple):
    """One marked test as its report told it.

    Attributes:
        outcome: "passed", "failed", "xfailed" or "skipped".
        counts: Whether its passes count (it reached its call phase and was not skipped).
        claims: (slot, block key) of every block it may count; a slot is one set-up of a fixture in
            one process.
        cause: Why it recorded nothing, or empty.
        uncounted: Passes of its own that do not count, because it was skipped after making them.
        reruns: Passes of its earlier attempts.
        slice: What its marker says of every input that it uses.
        requirements: What its marker says it is a test of.
    """

    nodeid: str
    suite: str
    outcome: str
    counts: bool
    claims: tuple[tuple[str, str], ...]
    passes: int
    inputs: int
    cause: str
    uncounted: int = 0
    reruns: int = 0
    slice: Tags = ()
    requirements: tuple[str, ...] = ()


TestState.__test__ = False  # type: ignore[attr-defined]  # to pytest it looks like a test


@dataclass(frozen=True)
class SessionState:
    """Everything a session recorded for one profile.

    Attributes:
        blocks: By key, then by slot.
        totals: Exclusion counters, one mapping per worker.
        ungated: Suites left out of the total (gate=False).
        criteria: Criteria to show for a suite, where its marker names them.
        environment: What it ran on, empty: this very process.
    """

    tests: tuple[TestState, ...]
    blocks: Mapping[str, Mapping[str, BlockState]]
    totals: tuple[Mapping[str, Any], ...] = ()
    unmarked_tests: int = 0
    ungated: frozenset[str] = frozenset()
    criteria: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    run: RunInfo = field(default_factory=RunInfo)
    notes: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def vouches(test: TestState) -> bool:
    """Return whether nothing speaks against what the test did.

    A test that fails as its `xfail` says has not passed: what the model did there is known to be
    wrong. An error while a test is set up keeps it from counting at all; one while it is torn down
    says nothing about the model.
    """
    return test.outcome not in ("failed", "xfailed")
