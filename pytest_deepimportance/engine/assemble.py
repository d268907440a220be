"""States of tests and blocks, merged into the final report."""

from __future__ import annotations

import dataclasses
import datetime
import os
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_deepimportance import __version__
from pytest_deepimportance.engine.chosen import left_out
from pytest_deepimportance.engine.rows import contradictions
from pytest_deepimportance.engine.states import BlockState
from pytest_deepimportance.engine.suites import TOTAL, evaluate
from pytest_deepimportance.formatting import plural
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.results import (
    Exclusions,
    Report,
    RunInfo,
    SettingRow,
    SuiteResult,
    TestRow,
)
from pytest_deepimportance.settings import TABLE, Settings


@dataclass(frozen=True)
class TestState:
    """One marked test as its report told it.

    Attributes:
        outcome: "passed", "failed", "xfailed" or "skipped".
        counts: Whether its passes count (it reached its call phase and was not skipped).
        claims: (slot, block key) of every block it may count; a slot is one set-up of a fixture in
            one process.
        cause: Why it recorded nothing, or empty.
    """

    nodeid: str
    suite: str
    outcome: str
    counts: bool
    claims: tuple[tuple[str, str], ...]
    passes: int
    inputs: int
    cause: str

    __test__ = False


@dataclass(frozen=True)
class SessionState:
    """Everything a session recorded for one profile.

    Attributes:
        blocks: By key, then by slot.
        totals: Exclusion counters, one mapping per worker.
        ungated: Suites left out of the total (gate=False).
        criteria: Criteria to show for a suite, where its marker names them.
    """

    tests: tuple[TestState, ...]
    blocks: Mapping[str, Mapping[str, BlockState]]
    totals: tuple[Mapping[str, Any], ...] = ()
    unmarked_tests: int = 0
    ungated: frozenset[str] = frozenset()
    criteria: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    run: RunInfo = field(default_factory=RunInfo)
    notes: tuple[str, ...] = ()


def assemble(profile: Profile, settings: Settings, state: SessionState) -> Report:
    """Merge blocks into suites, suites into the total, and describe everything."""
    doubtful: set[str] = set()
    names = sorted({test.suite for test in state.tests})
    suites = tuple(_suite(name, [name], profile, settings, state, doubtful) for name in names)
    gated = [name for name in names if name not in state.ungated]
    if len(names) == 1 and names[0] not in state.criteria:
        # The total of one suite is that suite: nothing to compute again.
        total = dataclasses.replace(suites[0], name=TOTAL)
    else:
        total = _suite(TOTAL, gated or names, profile, settings, state, doubtful)
    notes = [*state.notes, *left_out(profile, settings), *_notes(state, doubtful, gated, names)]
    return Report(
        version=__version__,
        created=_now(),
        model=profile.model,
        reference=profile.reference,
        profile=profile.info(),
        suites=suites,
        total=total,
        tests=tuple(_test_row(test) for test in state.tests),
        exclusions=_exclusions(state),
        run=state.run,
        settings=tuple(
            SettingRow(name, _text(getattr(settings, name)), settings.origins.get(name, "default"))
            for name in TABLE
        ),
        notes=tuple(notes),
        environment=_environment(),
    )


def _suite(
    name: str,
    members: Sequence[str],
    profile: Profile,
    settings: Settings,
    state: SessionState,
    doubtful: set[str],
) -> SuiteResult:
    tests = [test for test in state.tests if test.suite in members]
    passing = [test for test in tests if test.outcome != "failed"]
    counted = passing if settings.count == "passed" else tests
    states = _blocks_of(counted, state, doubtful)
    return evaluate(
        name,
        states,
        profile,
        settings,
        tests=len(tests),
        failed_tests=len(tests) - len(passing),
        passing=_blocks_of(passing, state, doubtful) if len(passing) < len(counted) else None,
        criteria=state.criteria.get(name),
    )


def _blocks_of(
    tests: Sequence[TestState], state: SessionState, doubtful: set[str]
) -> list[BlockState]:
    """Return the blocks these tests claim, each once.

    A fixture set up in two workers (or twice in one) gives two states under one key: equal inputs
    count once, different ones are both kept and the fixture is named as not reproducible.
    """
    claimed: dict[str, set[str]] = {}
    for test in tests:
        if test.counts:
            for worker, key in test.claims:
                claimed.setdefault(key, set()).add(worker)
    result = []
    for key in sorted(claimed):
        by_worker = state.blocks.get(key, {})
        kept: list[BlockState] = []
        for worker in sorted(claimed[key] & set(by_worker)):
            block = by_worker[worker]
            twin = next((at for at, other in enumerate(kept) if other.same_inputs(block)), None)
            if twin is None:
                kept.append(block)
            elif (block.labels != -1).sum() > (kept[twin].labels != -1).sum():
                kept[twin] = block
        if len(kept) > 1:
            doubtful.add(key)
        result += kept
    return result


def _test_row(test: TestState) -> TestRow:
    return TestRow(test.nodeid, test.suite, test.outcome, test.passes, test.inputs, test.cause)


def _exclusions(state: SessionState) -> Exclusions:
    summed: Counter[str] = Counter()
    details: dict[str, None] = {}
    for totals in state.totals:
        for name, value in totals.items():
            if name == "details":
                details.update(dict.fromkeys(value))
            else:
                summed[name] += value
    non_finite = _non_finite(state)
    claimed = {key for test in state.tests if test.counts for _, key in test.claims}
    unclaimed = sum(
        block.passes
        for key, by_worker in state.blocks.items()
        if key not in claimed
        for block in by_worker.values()
    )
    return Exclusions(
        attack_passes=summed["attack_passes"],
        paused_passes=summed["paused_passes"],
        unmarked_passes=summed["unmarked_passes"],
        unmarked_tests=state.unmarked_tests,
        unclaimed_passes=summed["unclaimed_passes"] + unclaimed,
        other_weights_passes=summed["other_weights_passes"],
        non_finite_rows=sum(count for _, _, count in non_finite),
        partial_model_calls=summed["partial_model_calls"],
        dropped_passes=summed["dropped_passes"],
        details=(
            *sorted(details),
            *(f"{count} rows with NaN or infinity in {layer}: {key}"
              for key, layer, count in non_finite),
        ),
    )  # fmt: skip


def _non_finite(state: SessionState) -> list[tuple[str, str, int]]:
    """Return (block key, layer, rows) for every block with rows that are not finite."""
    return [
        (key, layer, count)
        for key, by_worker in sorted(state.blocks.items())
        for layer, count in sorted(next(iter(by_worker.values())).non_finite.items())
    ]


def _notes(
    state: SessionState, doubtful: set[str], gated: Sequence[str], names: Sequence[str]
) -> list[str]:
    notes = []
    train = sum(
        next(iter(by_worker.values())).train_mode_passes for by_worker in state.blocks.values()
    )
    if train:
        notes.append(
            f"{plural(train, 'pass', 'passes')} ran in training mode, measured in evaluation mode: "
            "call model.eval() in the tests"
        )
    notes += [
        f"{key} is not reproducible: it was set up more than once, with different inputs"
        for key in sorted(doubtful)
    ]
    unsure = contradictions([b for by_worker in state.blocks.values() for b in by_worker.values()])
    if unsure:
        notes.append(
            f"{plural(unsure, 'input')} labelled as different classes in different passes: the "
            "highest class counts"
        )
    left_out = [name for name in names if name not in gated]
    if left_out and gated:
        notes.append(f"TOTAL leaves out {', '.join(left_out)} (gate=False)")
    return notes


def _now() -> str:
    """Return the time of creation; SOURCE_DATE_EPOCH makes reports reproducible."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    when = (
        datetime.datetime.fromtimestamp(int(epoch), datetime.timezone.utc)
        if epoch
        else datetime.datetime.now(datetime.timezone.utc)
    )
    return when.replace(microsecond=0).isoformat()


def _environment() -> dict[str, str]:
    import numpy
    import torch

    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "torch": str(torch.__version__),
        "numpy": numpy.__version__,
    }


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
