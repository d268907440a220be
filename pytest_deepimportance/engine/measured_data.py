"""Measure data against a profile, suite by suite, without pytest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from pytest_deepimportance.data.activations import UNKNOWN
from pytest_deepimportance.data.reference import Reference
from pytest_deepimportance.data.streaming import no_classes
from pytest_deepimportance.engine.assemble import assemble
from pytest_deepimportance.engine.intake import run_suites
from pytest_deepimportance.engine.opening import recorder_for
from pytest_deepimportance.engine.reducing import state_of
from pytest_deepimportance.engine.rows import distinct_inputs
from pytest_deepimportance.engine.sessions import SessionState, TestState
from pytest_deepimportance.engine.states import BlockState, new_criteria
from pytest_deepimportance.formatting import count, plural
from pytest_deepimportance.models.wrappers import eager
from pytest_deepimportance.profile.accumulate import Progress
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.recording.blocks import Block
from pytest_deepimportance.results import Report
from pytest_deepimportance.settings import Settings

_SLOT = "main"


def measure_data(
    model: nn.Module,
    profile: Profile,
    suites: Mapping[str, Reference],
    settings: Settings,
    *,
    progress: Progress | None = None,
) -> Report:
    """Measure each suite of inputs, and all of them together.

    Args:
        model: The profiled model; it was compared with the profile.
        profile: With m chosen.
        suites: Inputs by suite name, all rows of which are run through the model.
        progress: Called with the rows done and the rows in all (None while unknown).

    Returns:
        The report, its gates not yet judged. Its `run` counts no tests: there was no pytest.

    Raises:
        RecordingError: The model's forward raised, a label is no class of the model, or nothing
            could be recorded of a suite.
    """
    recorder = recorder_for(eager(model), profile, settings)
    criteria = new_criteria(profile, settings)
    states: dict[str, list[BlockState]] = {name: [] for name in suites}

    def take(name: str, block: Block) -> None:
        states[name].append(state_of(block, criteria, profile.digests))

    run_suites(model, recorder, suites, settings, take, progress)
    session = SessionState(
        tests=tuple(_as_test(name, own) for name, own in states.items()),
        blocks={state.key: {_SLOT: state} for own in states.values() for state in own},
        totals=(recorder.totals.to_wire(),),
        notes=tuple(
            note for name, own in states.items() for note in _notes(name, own, suites[name])
        ),
    )
    return assemble(profile, settings, session)


def _as_test(name: str, states: Sequence[BlockState]) -> TestState:
    return TestState(
        nodeid=name,
        suite=name,
        outcome="passed",
        counts=True,
        claims=tuple((_SLOT, state.key) for state in states),
        passes=sum(state.passes for state in states),
        inputs=len(distinct_inputs(states)),
        cause="",
    )


def _notes(name: str, states: Sequence[BlockState], data: Reference) -> list[str]:
    """Say what a reader would not expect of these inputs."""
    rows, inputs = sum(len(state.digests) for state in states), len(distinct_inputs(states))
    notes = [f"{name}: {fact}" for fact in data.facts]
    if inputs < 2:
        notes.append(f"{name} is one input: no number here is about more than that one")
    if inputs < rows:
        notes.append(f"{name}: {count(rows - inputs)} of {count(rows)} rows repeat an input")
    unlabelled = sum(int((state.labels == UNKNOWN).sum()) for state in states)
    if unlabelled:
        if data.unused:
            notes.append(f"{name}: the labels given are not used: {no_classes(data)}")
        which = "no row has" if unlabelled == rows else f"{plural(unlabelled, 'row')} without"
        notes.append(f"{name}: {which} a label; accuracy is of those that have one")
    if data.sampled:
        of = f" of {count(data.available)}" if data.available is not None else ""
        notes.append(f"{name}: {count(data.rows or 0)}{of} inputs are measured (--input-samples)")
    return notes
