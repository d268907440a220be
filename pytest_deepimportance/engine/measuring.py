"""Measure without pytest: `record` as a context manager, `measure` in one call."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn, no_grad

from pytest_deepimportance.data.activations import UNKNOWN
from pytest_deepimportance.data.batches import ModelCall, describe
from pytest_deepimportance.data.reference import Reference
from pytest_deepimportance.engine.assemble import SessionState, TestState, assemble
from pytest_deepimportance.engine.chosen import asked_for
from pytest_deepimportance.engine.profiles import (
    as_reference,
    build_profile,
    check_model,
    eager,
    recorder_for,
)
from pytest_deepimportance.engine.states import new_criteria, state_of
from pytest_deepimportance.errors import RecordingError, ReferenceDataError
from pytest_deepimportance.models.fingerprint import fingerprint
from pytest_deepimportance.models.restore import evaluating
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.recording.blocks import Block, label_newest
from pytest_deepimportance.recording.recorder import Recorder
from pytest_deepimportance.results import Report, RunInfo
from pytest_deepimportance.settings import Settings, from_keywords

_NAME = "recorded"


class Recording:
    """What `record` hands out: label what was run, ask for the report at any time.

    Attributes:
        profile: What is measured against; `profile.with_m(8)` put here changes m at no cost.
    """

    def __init__(self, recorder: Recorder, profile: Profile, settings: Settings) -> None:
        self.profile = profile
        self._recorder, self._settings = recorder, settings
        self._block = Block(_NAME, "test")
        recorder.block = self._block

    def labels(self, labels: Any) -> None:
        """Label the newest unlabelled passes, (N,) true classes.

        Raises:
            RecordingError: N does not end on a pass boundary.
        """
        label_newest([self._block], labels)

    def report(self) -> Report:
        """Return the report of everything recorded so far."""
        state = state_of(self._block, new_criteria(self.profile, self._settings))
        cause = "" if len(state.digests) else self._recorder.cause_of_nothing(self._block)
        test = TestState(
            nodeid=_NAME,
            suite=_NAME,
            outcome="passed",
            counts=True,
            claims=(("main", _NAME),),
            passes=state.passes,
            inputs=len(np.unique(state.digests)),
            cause=cause,
        )
        session = SessionState(
            tests=(test,),
            blocks={_NAME: {"main": state}},
            totals=(self._recorder.totals.to_wire(),),
            run=RunInfo(marked_collected=1, marked_ran=1),
        )
        return assemble(self.profile, self._settings, session)


@contextmanager
def record(
    model: nn.Module, profile: Profile, criteria: Any = "all", **settings: Any
) -> Generator[Recording, None, None]:
    """Record every forward pass of `model` inside the context.

    Args:
        profile: From `build_profile` or `Profile.load`, for these very weights.
        criteria: Names of the criteria to measure, or "all".
        settings: m, and others of the table; those that the profile depends on must be as it was
            built.

    Raises:
        ProfileError: The profile belongs to other weights, or was built with other settings.
        SettingsError: There is no such criterion or setting, or m is beyond the profile's.
    """
    chosen = from_keywords(criteria=criteria, **settings)
    asked_for(chosen)
    model = eager(model)
    check_model(profile, fingerprint(model), "the profile")
    profile.check_settings(chosen)
    if chosen.origins["m"] != "default":
        profile = profile.with_m(chosen.m)
    recorder = recorder_for(model, profile, chosen)
    recording = Recording(recorder, profile, chosen)
    recorder.attach()
    try:
        yield recording
    finally:
        recorder.detach()


def measure(model: nn.Module, reference: Any, inputs: Any, **settings: Any) -> Report:
    """Measure how well `inputs` exercise what `model` learned from `reference`.

    Args:
        reference: As for `build_profile`.
        inputs: Test data in the same forms, all of it; labels, when there, give the accuracy.

    Raises:
        IdcError: A subclass that says what is wrong and what to do.
    """
    chosen = from_keywords(**settings)
    profile = build_profile(model, reference, **settings)
    data = _opened(inputs, chosen)
    with record(model, profile, **settings) as recording:
        feed(model, data, chosen.batch_size, lambda call: _label(recording, call))
    report = recording.report()
    if not report.total.rows:
        raise RecordingError(
            f"nothing was recorded: {report.tests[0].cause}",
            "A coverage of zero would say something about the inputs, and they were not seen.",
            "Check that each element of the inputs is a whole batch, with one row per input.",
        )
    return report


def feed(
    model: nn.Module, data: Reference, batch_size: int, after: Callable[[ModelCall], None]
) -> None:
    """Run `data` through the model as it is, in evaluation mode and without gradients.

    Args:
        after: Called after each pass with what went in.

    Raises:
        RecordingError: The model's forward raised.
    """
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    with evaluating(model), no_grad():
        for call in data.batches(batch_size):
            moved = call.to(device)
            try:
                model(*moved.args, **moved.kwargs)
            except Exception as error:  # whatever the user's forward raises
                raise _forward_raised(data, call, error) from error
            after(call)


def labels_of(call: ModelCall) -> Any:
    """Return the true classes of a call's rows, (N,), or None when none of them has one."""
    if call.labels is None or not bool((call.labels != UNKNOWN).any()):
        return None
    return call.labels.cpu().numpy()


def _label(recording: Recording, call: ModelCall) -> None:
    labels = labels_of(call)
    if labels is not None:
        recording.labels(labels)


def _forward_raised(data: Reference, call: ModelCall, error: Exception) -> RecordingError:
    shown = [describe(value) for value in call.args]
    shown += [f"{name}={describe(value)}" for name, value in call.kwargs.items()]
    return RecordingError(
        f"the model's forward raised {type(error).__name__}: {error}\n"
        f"on inputs of {data.descriptor}: {', '.join(shown)}",
        fix="Inputs must be prepared as the reference is: the same shape, type and scale.",
    )


def _opened(inputs: Any, settings: Settings) -> Reference:
    """Open the inputs to measure: the settings of sampling are the reference's, not theirs."""
    try:
        return as_reference(inputs, settings.replace("measure", reference_samples="all"))
    except ReferenceDataError as error:
        raise ReferenceDataError(
            f"the inputs to measure: {error.what}",
            fix="They take the same forms as a reference: (x, y), x, a Dataset, a DataLoader, ...",
        ) from error
