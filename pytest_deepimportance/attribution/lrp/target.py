"""Where relevance starts: one class score for each row."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pytest_deepimportance.data.activations import UNKNOWN
from pytest_deepimportance.data.batches import ModelCall, describe
from pytest_deepimportance.errors import AttributionError

_WHY = "Relevance starts from one number for each input, the score of a class."


def parse_target(target: str | int) -> str | int:
    """Return "predicted", "label" or a class index.

    Raises:
        AttributionError: Anything else.
    """
    text = str(target)
    if text in ("predicted", "label"):
        return text
    if text.isdigit():
        return int(text)
    raise AttributionError(
        f"target {target!r} is neither 'predicted', 'label' nor a class index",
        _WHY,
        "For example: --idc-target predicted",
    )


def refuse_output(output: Any) -> AttributionError:
    """Return the error for a model output that holds no class score."""
    return AttributionError(
        f"output is {describe(output)}: not a class score",
        _WHY,
        "Give idc_output = pkg.mod:callable (class scores (N, C) from the output), and "
        "idc_correct = all if no input can be called correctly classified.",
    )


def chosen_classes(target: str | int, scores: Tensor, call: ModelCall) -> Tensor:
    """Return the class whose score each row starts from, (N,) int64 on the device of the scores.

    Args:
        target: As `parse_target` returns it.
        scores: The model's class scores (N, C).

    Raises:
        AttributionError: Labels are missing or are no class of the model; no such class.
    """
    classes = scores.shape[1]
    if target == "predicted":
        return scores.detach().argmax(1)
    if target == "label":
        return _labels(call, classes).to(scores.device)
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
