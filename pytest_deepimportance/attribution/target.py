"""What is attributed: one number a row, a class score or what a callable makes of the output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pytest_deepimportance.data.activations import UNKNOWN
from pytest_deepimportance.data.batches import ModelCall, describe
from pytest_deepimportance.data.importing import import_object
from pytest_deepimportance.errors import AttributionError

_WHY = "Relevance starts from one number for each input, the score of a class."

Target = str | int | Callable[[Any], Any]
""""predicted", "label", a class index, or a callable: model output -> one number a row (N,)."""


def parse_target(target: Target) -> Target:
    """Return "predicted", "label", a class index, or a callable on the model's output.

    Args:
        target: One of these; "pkg.mod:callable" is imported.

    Raises:
        AttributionError: Anything else.
        SettingsError: The callable cannot be imported.
    """
    if callable(target):
        return target
    text = str(target)
    if text in ("predicted", "label"):
        return text
    if text.isdigit():
        return int(text)
    if ":" in text:
        found: Target = import_object(text, "target")
        if callable(found):
            return found
    raise AttributionError(
        f"target {target!r} is neither 'predicted', 'label', a class index nor pkg.mod:callable",
        _WHY,
        "For example: --idc-target predicted",
    )


def target_name(target: Target) -> str:
    """Return what reports call a target."""
    if not callable(target):
        return str(target)
    module, name = getattr(target, "__module__", ""), getattr(target, "__qualname__", "")
    return f"{module}:{name}" if name else type(target).__name__


def is_callable_target(target: Any) -> bool:
    """Whether a target is a callable, itself or by its name, so that no class score is needed."""
    return callable(target) or ":" in str(target)


def target_values(target: Callable[[Any], Any], output: Any, rows: int) -> Tensor:
    """Return what a callable target makes of the model's output, (N,).

    Raises:
        AttributionError: It fails, or returns something else than one floating number a row.
    """
    try:
        values = target(output)
    except Exception as error:
        raise AttributionError(
            f"the callable of idc_target raised {type(error).__name__}: {error}",
            "It is given what the model returns.",
            f"The model returned {describe(output)}.",
        ) from error
    fits = isinstance(values, Tensor) and values.is_floating_point()
    if not fits or values.numel() != rows or values.dim() == 0 or len(values) != rows:
        raise AttributionError(
            f"the callable of idc_target returned {describe(values)} for {rows} inputs",
            _WHY,
            "Return a floating tensor (N,), computed by torch from the model's output.",
        )
    flat: Tensor = values.reshape(rows)
    return flat


def refuse_output(output: Any) -> AttributionError:
    """Return the error for a model output that holds no class score."""
    return AttributionError(
        f"output is {describe(output)}: not a class score",
        _WHY,
        "Give idc_output = pkg.mod:callable (class scores (N, C) from the output), or idc_target = "
        "pkg.mod:callable (one number for each input from the output); and idc_correct = all if "
        "no input can be called correctly classified.",
    )


def chosen_classes(target: Target, scores: Tensor, call: ModelCall) -> Tensor:
    """Return the class whose score each row starts from, (N,) int64 on the device of the scores.

    Args:
        target: As `parse_target` returns it, no callable.
        scores: The model's class scores (N, C).

    Raises:
        AttributionError: Labels are missing or are no class of the model; no such class.
    """
    classes = scores.shape[1]
    if target == "predicted":
        return scores.detach().argmax(1)
    if target == "label":
        return _labels(call, classes).to(scores.device)
    assert not callable(target)
    index = int(target)
    if index >= classes:
        raise AttributionError(
            f"target class {index} does not exist: the model has {classes} classes",
            fix=f"Give a class from 0 to {classes - 1}, or --idc-target predicted",
        )
    return torch.full((len(scores),), index, dtype=torch.int64, device=scores.device)


def _labels(call: ModelCall, classes: int) -> Tensor:
    labels = call.labels
    if labels is None or bool((labels == UNKNOWN).any()):
        raise AttributionError(
            "target is 'label', but the batch has inputs without a label",
            _WHY,
            "Give batches (x, y), or use --idc-target predicted",
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise AttributionError(
            f"target is 'label', but labels go from {low} to {high} and the model has "
            f"{classes} classes",
            fix="Map the labels to class indices, or use --idc-target predicted",
        )
    return labels
