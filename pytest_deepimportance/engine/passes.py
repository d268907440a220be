"""Run data through a model and yield what was recorded, a few batches at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn, no_grad

from pytest_deepimportance.data.activations import UNKNOWN, ActivationBatch
from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.data.reference import Reference
from pytest_deepimportance.engine.opening import as_reference, recorder_for
from pytest_deepimportance.errors import RecordingError, ReferenceDataError
from pytest_deepimportance.models.raised import forward_raised
from pytest_deepimportance.models.restore import evaluating
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.recording.blocks import Block
from pytest_deepimportance.recording.labelling import label_newest
from pytest_deepimportance.settings import Settings

_GROUP = 1024
"""Inputs recorded before they are handed on, at least."""

_NO_ROWS = ActivationBatch({}, np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros(0, np.int64))


def opened(inputs: Any, settings: Settings) -> Reference:
    """Open the inputs to measure: the settings of sampling are the reference's, not theirs.

    Raises:
        ReferenceDataError: They have none of the forms that a reference may have.
    """
    try:
        return as_reference(inputs, settings.replace("measure", reference_samples="all"))
    except ReferenceDataError as error:
        raise ReferenceDataError(
            f"the inputs to measure: {error.what}",
            fix="They take the same forms as a reference: (x, y), x, a Dataset, a DataLoader, ...",
        ) from error


def feed(
    model: nn.Module,
    data: Reference,
    batch_size: int,
    after: Callable[[ModelCall], None],
    around: Callable[[int], AbstractContextManager[Any]] | None = None,
) -> None:
    """Run `data` through the model as it is, in evaluation mode and without gradients.

    Args:
        after: Called after each pass with what went in.
        around: Called with the rows of each pass; the pass runs inside what it returns.

    Raises:
        RecordingError: The model's forward raised.
    """
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    with evaluating(model), no_grad():
        for call in data.batches(batch_size):
            with nullcontext() if around is None else around(call.rows):
                _run(model, call, device, data.descriptor)
            after(call)


def hand_labels(call: ModelCall, label: Callable[[Any], None]) -> None:
    """Call `label` with the true classes of a call's rows, (N,), when any of them has one."""
    if call.labels is not None and bool((call.labels != UNKNOWN).any()):
        label(call.labels.cpu().numpy())


def _run(model: nn.Module, call: ModelCall, device: torch.device, source: str) -> None:
    moved = call.to(device)
    try:
        model(*moved.args, **moved.kwargs)
    except Exception as error:  # whatever the user's forward raises
        fix = "Inputs must be prepared as the reference is: the same shape, type and scale."
        raise forward_raised(error, model, call, RecordingError, source, fix=fix) from error


def recorded_batches(
    model: nn.Module,
    profile: Profile,
    settings: Settings,
    calls: Iterable[ModelCall],
    source: str,
) -> Iterator[tuple[ActivationBatch, int]]:
    """Yield the finite rows of the inputs in their order, and how many others were left out.

    A batch is empty where no row of many neighbouring inputs is finite. The model is put back as it
    was, also when the caller stops early.

    Args:
        source: What the inputs are called in an error.

    Raises:
        RecordingError: The forward raised, or a call was not recorded; the message says why.
    """
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    recorder = recorder_for(model, profile, settings)
    recorder.attach()
    try:
        with evaluating(model), no_grad():
            block = recorder.block = Block("inputs", "test")
            rows = 0
            for call in calls:
                _run(model, call, device, source)
                hand_labels(call, partial(label_newest, [block]))
                rows += call.rows
                if rows >= _GROUP:
                    yield from _finished(block, rows, recorder.cause_of_nothing)
                    block, rows = Block("inputs", "test"), 0
                    recorder.block = block
            if rows:
                yield from _finished(block, rows, recorder.cause_of_nothing)
    finally:
        recorder.detach()


def _finished(block: Block, rows: int, cause: Any) -> Iterator[tuple[ActivationBatch, int]]:
    batches = block.batches()
    unusable = sum(block.non_finite.values())
    found = sum(len(batch) for batch in batches)
    if found + unusable < rows:
        raise RecordingError(
            f"{rows - found - unusable} of {rows} inputs were not recorded: {cause(block)}",
            "What they cover would be missing without a word.",
            "Check that each element of the inputs is a whole batch, with one row per input.",
        )
    for number, batch in enumerate(batches or [_NO_ROWS]):
        yield batch, unusable if number == 0 else 0
