"""Measure without pytest: `record` as a context manager, `measure` in one call."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from pytest_deepimportance.attribution.importance import Importance
from pytest_deepimportance.data.streaming import no_classes
from pytest_deepimportance.engine.assemble import assemble
from pytest_deepimportance.engine.chosen import asked_for
from pytest_deepimportance.engine.item_matrix import ItemMatrix, matrix_of
from pytest_deepimportance.engine.opening import recorder_for
from pytest_deepimportance.engine.passes import feed, hand_labels, opened, recorded_batches
from pytest_deepimportance.engine.profiles import build_profile, check_model
from pytest_deepimportance.engine.reducing import state_of
from pytest_deepimportance.engine.sessions import SessionState, TestState
from pytest_deepimportance.engine.states import new_criteria
from pytest_deepimportance.errors import RecordingError
from pytest_deepimportance.keywords import in_keywords
from pytest_deepimportance.models.fingerprint import fingerprint
from pytest_deepimportance.models.wrappers import eager
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.recording.blocks import Block
from pytest_deepimportance.recording.labelling import label_newest
from pytest_deepimportance.recording.recorder import Recorder
from pytest_deepimportance.recording.slices import Columns, Slices
from pytest_deepimportance.results import Report, RunInfo
from pytest_deepimportance.settings import Settings, from_keywords

_NAME = "recorded"


class Recording:
    """What `record` hands out: label what was run, ask for the report at any time.

    Attributes:
        profile: What is measured against; `profile.with_m(8)` put here changes m at no cost.
        notes: Sentences for the report.
    """

    def __init__(self, recorder: Recorder, profile: Profile, settings: Settings) -> None:
        self.profile = profile
        self.notes: list[str] = []
        self._recorder, self._settings = recorder, settings
        self._block = Block(_NAME, "test")
        recorder.block = self._block

    def labels(self, labels: Any) -> None:
        """Label the newest unlabelled passes, (N,) true classes.

        Raises:
            RecordingError: N does not end on a pass boundary.
        """
        label_newest([self._block], labels)

    def slice(self, **values: Any) -> AbstractContextManager[None]:
        """Return a context whose passes belong to slices: `with recording.slice(weather="fog"):`.

        Raises:
            RecordingError: Nothing is named, or a value is neither text nor a number.
        """
        return self.sliced(Slices.of_all(values))

    def sliced(self, slices: Slices) -> AbstractContextManager[None]:
        """Return a context whose passes belong to `slices`."""
        return self._recorder.sliced(slices)

    def report(self) -> Report:
        """Return the report of everything recorded so far."""
        criteria = new_criteria(self.profile, self._settings)
        state = state_of(self._block, criteria, self.profile.digests)
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
            notes=tuple(self.notes),
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
    with in_keywords():  # entered after `record` has returned
        chosen = from_keywords(criteria=criteria, **settings)
        model, profile = _checked(model, profile, chosen)
        recorder = recorder_for(model, profile, chosen)
    recording = Recording(recorder, profile, chosen)
    recorder.attach()
    try:
        yield recording
    finally:
        recorder.detach()


def _checked(model: nn.Module, profile: Profile, settings: Settings) -> tuple[nn.Module, Profile]:
    """Return the model behind its wrappers, and the profile with m chosen, when they fit."""
    asked_for(settings)
    model = eager(model)
    check_model(profile, fingerprint(model), "the profile")
    profile.check_settings(settings)
    return model, profile.with_m(settings.m) if settings.origins["m"] != "default" else profile


def measure(
    model: nn.Module,
    reference: Any,
    inputs: Any,
    *,
    null_data: Any = None,
    importance: Importance | str | Path | None = None,
    slices: Any = None,
    **settings: Any,
) -> Report:
    """Measure how well `inputs` exercise what `model` learned from `reference`.

    Args:
        reference: As for `build_profile`.
        inputs: Test data in the same forms, all of it; labels, when there, give the accuracy.
        null_data: As for `build_profile`.
        importance: As for `build_profile`.
        slices: By name one value for each input: `{"weather": ["fog", "sun", ...]}`.

    Raises:
        IdcError: A subclass that says what is wrong and what to do.
    """
    scores = importance if isinstance(importance, Importance) else None
    if scores is None and importance is not None:
        settings["importance"] = importance
    chosen = from_keywords(**settings)
    profile = build_profile(
        model, reference, null_data=null_data, **{"importance": scores, **settings}
    )
    data = opened(inputs, chosen)
    columns = Columns(slices)
    with record(model, profile, **settings) as recording:
        feed(
            model,
            data,
            chosen.batch_size,
            lambda call: hand_labels(call, recording.labels),
            around=lambda rows: recording.sliced(columns.next(rows)),
        )
    columns.check_used_up()
    if data.unused:
        recording.notes.append(f"the labels given are not used: {no_classes(data)}")
    report = recording.report()
    if not report.total.rows:
        raise RecordingError(
            f"nothing was recorded: {report.tests[0].cause}",
            "A coverage of zero would say something about the inputs, and they were not seen.",
            "Check that each element of the inputs is a whole batch, with one row per input.",
        )
    return report


def item_matrix(
    model: nn.Module, profile: Profile, inputs: Any, criteria: Any = "all", **settings: Any
) -> ItemMatrix:
    """Run `inputs` through the model once and return which items each of them covers.

    Args:
        profile: From `build_profile` or `Profile.load`, for these very weights.
        inputs: In the forms of a reference: (x, y), x, a Dataset, a DataLoader, a specification.
        criteria: Names of the criteria, or "all".
        settings: m, and others of the table; those that the profile depends on must be as it was
            built.

    Raises:
        IdcError: A subclass that says what is wrong and what to do.
    """
    chosen = from_keywords(criteria=criteria, **settings)
    model, profile = _checked(model, profile, chosen)
    data = opened(inputs, chosen)
    calls = data.batches(chosen.batch_size)
    recorded = recorded_batches(model, profile, chosen, calls, data.descriptor)
    return matrix_of(recorded, profile, chosen)
