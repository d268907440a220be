"""From stored data to a report: the way of every pytest run, of workers and of combined shards."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_deepimportance.criteria.base import names
from pytest_deepimportance.engine.assemble import assemble
from pytest_deepimportance.engine.contexts import contributions
from pytest_deepimportance.engine.sessions import SessionState, TestState
from pytest_deepimportance.engine.states import BlockState
from pytest_deepimportance.engine.wire import unpacked
from pytest_deepimportance.profile.file import deserialise
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.recording.causes import silence
from pytest_deepimportance.recording.counters import Counters
from pytest_deepimportance.results import Report, RunInfo
from pytest_deepimportance.settings import TABLE, Settings, resolve
from pytest_deepimportance.store.content import (
    DESELECTED,
    LOST,
    RAN,
    WAITING,
    Content,
    Measured,
    Run,
)

_GRAVE = ("skipped", "passed", "xfailed", "failed")
"""Outcomes; of two runs at the same time the graver one is shown."""


def run_info(run: Run) -> RunInfo:
    """Return how much of the suite ran."""
    found = Counter(run.tests.values())
    collected = max(len(run.tests), run.expected)
    lost = tuple(sorted(nodeid for nodeid, state in run.tests.items() if state == LOST))
    # What one run left undone another may have done.
    stopped = run.stopped if not run.finished or found[WAITING] else []
    return RunInfo(
        marked_collected=collected,
        marked_ran=found[RAN],
        deselected=found[DESELECTED] + collected - len(run.tests),
        complete=not stopped,
        incomplete_because="; ".join(stopped),
        lost=lost,
    )


def session_state(measured: Measured, run: Run, model: str) -> SessionState:
    """Return what was recorded for one profile, as reports are assembled from it.

    Args:
        model: Class name of the watched model.
    """
    blocks = _opened(measured.blocks)
    total: Counter[str] = Counter()
    for counts in measured.counters.values():
        total.update(counts)
    claimed = {
        key
        for runs in measured.tests.values()
        for test in runs
        if test["counts"]
        for key, _ in test["claims"]
    }
    unclaimed = sum(
        passes
        for key, passes in measured.fixtures.items()
        if key not in claimed and key not in blocks
    )
    causes = _Silence(model, total["unmarked_passes"])
    gated = {name: suite for name, suite in run.suites.items() if suite["gate"]}
    return SessionState(
        tests=tuple(
            _test_state(nodeid, runs, blocks, causes)
            for nodeid, runs in sorted(measured.tests.items())
        ),
        blocks=blocks,
        totals=({**Counters.of(total).to_wire(), "unclaimed_passes": unclaimed},),
        unmarked_tests=sum("unmarked_passes" in counts for counts in measured.counters.values()),
        criteria={
            name: tuple(suite["criteria"])
            for name, suite in run.suites.items()
            if suite["criteria"] is not None
        },
        ungated=frozenset(set(run.suites) - set(gated)),
        run=run_info(run),
        environment=_environment(run.environments),
    )


def _opened(blocks: Mapping[str, Mapping[str, bytes]]) -> dict[str, dict[str, BlockState]]:
    stored = [(key, state) for key, by_slot in blocks.items() for state in by_slot.values()]
    states = iter(unpacked(stored))
    return {key: dict(zip(by_slot, states, strict=False)) for key, by_slot in blocks.items()}


class _Silence:
    """The cause of a test that saw nothing, which names what unmarked tests did."""

    def __init__(self, model: str, unmarked: int) -> None:
        self._plain, self._told = silence(model, 0), silence(model, unmarked)

    def broken(self, cause: str) -> str:
        return self._told if cause == self._plain else cause


def _test_state(
    nodeid: str,
    runs: Sequence[Mapping[str, Any]],
    blocks: Mapping[str, Mapping[str, BlockState]],
    causes: _Silence,
) -> TestState:
    """Return a test from what its run told; of several runs the last one's outcome counts."""
    last = runs[0]
    if len(runs) > 1:
        last = max(runs, key=lambda test: (test["at"], _GRAVE.index(test["outcome"])))
    counting = [test for test in runs if test["counts"]]
    claims = sorted({(slot, key) for test in counting or [last] for key, slot in test["claims"]})
    passes, inputs = last["passes"], last["inputs"]
    if len(counting) > 1:
        states = [blocks[key][slot] for slot, key in claims]
        passes = sum(state.passes for state in states)
        inputs = len(set().union(*(state.digests.tolist() for state in states)))
    return TestState(
        nodeid=nodeid,
        suite=last["suite"],
        outcome=last["outcome"],
        counts=bool(counting),
        claims=tuple(claims),
        passes=passes,
        inputs=inputs,
        cause="" if inputs else causes.broken(last["cause"]),
        uncounted=last["uncounted"],
        reruns=sum(test["reruns"] for test in runs),
        slice=tuple((name, value) for name, value in last["slice"]),
        requirements=tuple(last["requirements"]),
    )


def _environment(found: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return what the runs ran on; where they differ all values, in the order of their text."""
    every = dict.fromkeys(name for one in found for name in one)
    return {
        name: " and ".join(sorted({one[name] for one in found if name in one})) for name in every
    }


_OF_ONE_FILE = ("report", "data_file", "append", "shard", "compare", "compare_fail")
"""Settings that say where one session wrote; what it recorded does not depend on them."""


def plain_settings(settings: Settings) -> dict[str, Any]:
    """Return every setting that a stored session keeps, JSON-ready."""
    values = {name: getattr(settings, name) for name in TABLE if name not in _OF_ONE_FILE}
    return {n: list(value) if isinstance(value, tuple) else value for n, value in values.items()}


def settings_of(run: Run) -> Settings:
    """Return the settings of a stored session, each with its origin.

    Raises:
        SettingsError: One of them is unknown to this version.
    """
    sources = [
        (run.origins.get(name, "default"), {name: value})
        for name, value in run.settings.items()
        if run.origins.get(name, "default") != "default"
    ]
    return resolve(sources)


def without_unknown(run: Run, settings: Settings) -> tuple[Run, Settings]:
    """Leave out criteria that this process does not know: conftest files of the tests brought them.

    What is left out is said in the report (see `states_of`); thresholds on them are refused.
    """
    known = {"all", *names()}
    kept = tuple(name for name in settings.criteria if name in known)
    if kept and kept != settings.criteria:
        settings = settings.replace(settings.origins.get("criteria", "default"), criteria=kept)
    suites = {
        name: {
            **suite,
            "criteria": suite["criteria"] and [c for c in suite["criteria"] if c in known],
        }
        for name, suite in run.suites.items()
    }
    return dataclasses.replace(run, suites=suites), settings


def reports_of(
    content: Content, settings: Settings, profiles: Mapping[str, Profile] | None = None
) -> list[Report]:
    """Return one report for each profile of a data file, gates not judged yet.

    Args:
        profiles: By fingerprint, those that need not be read from the file.

    Raises:
        IdcError: A stored profile or state cannot be used by this version.
    """
    reports = []
    for profile, state in states_of(content, settings, profiles):
        report = assemble(profile, settings, state)
        if settings.context == "test":
            report = dataclasses.replace(
                report, contributions=contributions(state, profile, settings)
            )
        reports.append(report)
    return reports


def states_of(
    content: Content, settings: Settings, profiles: Mapping[str, Profile] | None = None
) -> Iterator[tuple[Profile, SessionState]]:
    """Yield each profile of a data file with what was recorded for it; see `reports_of`."""
    for fingerprint, measured in sorted(content.profiles.items()):
        profile = (profiles or {}).get(fingerprint)
        if profile is None:
            profile = deserialise(measured.profile, "the profile in the data file")
            profile = profile.with_m(settings.m)
        state = session_state(measured, content.run, profile.model.type)
        yield profile, dataclasses.replace(state, notes=_unknown_criteria(state))


def _unknown_criteria(state: SessionState) -> tuple[str, ...]:
    """Say which criteria were measured that this process does not know."""
    blocks = [block for by_slot in state.blocks.values() for block in by_slot.values()]
    unknown = sorted({name for block in blocks for name in block.measures} - set(names()))
    if not unknown:
        return ()
    return (
        f"{', '.join(unknown)} left out: a conftest file of the tests brings it "
        "(deepimportance report --conftest FILE)",
    )
