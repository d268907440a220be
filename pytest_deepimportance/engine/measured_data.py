"""Measure data against a profile, suite by suite, without pytest."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
from torch import nn

from pytest_deepimportance.data.activations import UNKNOWN
from pytest_deepimportance.data.reference import Reference
from pytest_deepimportance.engine.assemble import assemble
from pytest_deepimportance.engine.measuring import feed
from pytest_deepimportance.engine.opening import eager, recorder_for
from pytest_deepimportance.engine.sessions import SessionState, TestState
from pytest_deepimportance.engine.states import BlockState, new_criteria, state_of
from pytest_deepimportance.errors import RecordingError
from pytest_deepimportance.formatting import count, plural
from pytest_deepimportance.profile.accumulate import Progress
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.recording.blocks import Block
from pytest_deepimportance.recording.labelling import label_newest
from pytest_deepimportance.recording.recorder import Recorder
from pytest_deepimportance.results import Report
from pytest_deepimportance.settings import Settings


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
    blocks = run_suites(model, recorder, suites, settings.batch_size, progress)
    criteria = new_criteria(profile, settings)
    states = {name: state_of(block, criteria) for name, block in blocks.items()}
    session = SessionState(
        tests=tuple(_as_test(name, state) for name, state in states.items()),
        blocks={name: {"main": state} for name, state in states.items()},
        totals=(recorder.totals.to_wire(),),
        notes=tuple(
            note for name, state in states.items() for note in _notes(name, state, suites[name])
        ),
    )
    return assemble(profile, settings, session)


def run_suites(
    model: nn.Module,
    recorder: Recorder,
    suites: Mapping[str, Reference],
    batch_size: int,
    progress: Progress | None = None,
) -> dict[str, Block]:
    """Run every suite through the model and return what was recorded, by suite name.

    Raises:
        RecordingError: The model's forward raised, a label is no class of the model, or nothing
            could be recorded of a suite.
    """
    blocks = {name: Block(name, "test") for name in suites}
    before = 0
    recorder.attach()
    try:
        for name, data in suites.items():
            block = recorder.block = blocks[name]
            feed(
                eager(model),
                data,
                batch_size,
                partial(label_newest, [block]),
                _shifted(progress, before, _rows_in_all(suites)),
            )
            before += data.rows or 0
            if not block.batches():
                raise _nothing(name, recorder.cause_of_nothing(block))
    finally:
        recorder.detach()
    return blocks


def _rows_in_all(suites: Mapping[str, Reference]) -> int | None:
    rows = [data.rows for data in suites.values()]
    return None if None in rows else sum(number or 0 for number in rows)


def _shifted(progress: Progress | None, before: int, total: int | None) -> Progress | None:
    if progress is None:
        return None
    report = progress
    return lambda done, _: report(before + done, total)


def _nothing(name: str, cause: str) -> RecordingError:
    return RecordingError(
        f"nothing was recorded of {name}: {cause or 'every row holds NaN or infinity'}",
        "A coverage of zero would say something about the inputs, and they were not seen.",
        "Check that each element of the inputs is a whole batch, with one row per input.",
    )


def _as_test(name: str, state: BlockState) -> TestState:
    return TestState(
        nodeid=name,
        suite=name,
        outcome="passed",
        counts=True,
        claims=(("main", name),),
        passes=state.passes,
        inputs=len(np.unique(state.digests)),
        cause="",
    )


def _notes(name: str, state: BlockState, data: Reference) -> list[str]:
    """Say what a reader would not expect of these inputs."""
    rows, inputs = len(state.digests), len(np.unique(state.digests))
    notes = []
    if inputs < 2:
        notes.append(f"{name} is one input: no number here is about more than that one")
    if inputs < rows:
        notes.append(f"{name}: {count(rows - inputs)} of {count(rows)} rows repeat an input")
    unlabelled = int((state.labels == UNKNOWN).sum())
    if unlabelled:
        which = "no row has" if unlabelled == rows else f"{plural(unlabelled, 'row')} without"
        notes.append(f"{name}: {which} a label; accuracy is of those that have one")
    if data.sampled:
        of = f" of {count(data.available)}" if data.available is not None else ""
        notes.append(f"{name}: {count(data.rows or 0)}{of} inputs are measured (--input-samples)")
    return notes
