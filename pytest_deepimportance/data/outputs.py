"""What a model returns, turned into class scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from pytest_deepimportance.data.activations import UNKNOWN
from pytest_deepimportance.data.batches import describe
from pytest_deepimportance.errors import BatchError, IdcError

_ANOTHER = (
    "; another one is chosen by idc_output = pkg.mod:callable, in Python also "
    "output=lambda out: out[{!r}]"
)


def class_scores(output: Any, adapter: Callable[[Any], Any] | None = None) -> Tensor | None:
    """Return the class scores (N, C), C >= 2, in a model's output, or None if it holds none.

    Args:
        output: A floating tensor (N, C) or (N, C, 1, ...); a mapping or ModelOutput with "logits",
            else its first floating tensor of two dimensions; a tuple or list whose first element
            is the scores.
        adapter: The callable of setting `output`, applied first.

    Raises:
        BatchError: The adapter failed, or returned something that is neither class scores nor None.
    """
    if adapter is None:
        return _scores(output)
    try:
        adapted = adapter(output)
    except Exception as error:  # whatever the user's callable raises
        raise BatchError(
            f"the callable of idc_output raised {type(error).__name__}: {error}",
            "It is given what the model returns.",
            f"The model returned {describe(output)}.",
        ) from error
    scores = _scores(adapted)
    if scores is None and adapted is not None:
        raise BatchError(
            f"the callable of idc_output returned {describe(adapted)}",
            "Class scores are one floating tensor (N, C) with at least two classes.",
            "Return such a tensor, or None if the model has no classes.",
        )
    return scores


def choice_note(output: Any) -> str:
    """Return which of several tensors is taken as class scores; empty where there is no choice."""
    if isinstance(output, Mapping):
        able = [key for key, value in output.items() if _as_scores(value) is not None]
        key = scores_key(output)
        if key is None or key == "logits":
            return ""
        able = [key, *(other for other in able if other != key)]
        what = f"{describe(output)}, none of them logits: class scores are {key!r}, the first"
        what += " that can be"
    elif isinstance(output, (tuple, list)):
        able = [index for index, item in enumerate(output) if _as_scores(item) is not None]
        if len(able) < 2 or able[0] != 0:
            return ""
        widths = [str(_as_scores(output[index]).shape[1]) for index in able]  # type: ignore[union-attr]
        what = f"{len(able)} tensors that can be class scores (of {' and '.join(widths)} classes): "
        what += "the first is taken"
    else:
        return ""
    return f"the model returns {what}" + (_ANOTHER.format(able[1]) if len(able) > 1 else "")


def scores_key(output: Mapping[Any, Any]) -> Any:
    """Return the key of the class scores in a mapping: logits, else the first that can be some."""
    if "logits" in output:
        return "logits"
    flat = ((key, value) for key, value in output.items() if isinstance(value, Tensor))
    return next((k for k, v in flat if v.dim() == 2 and _as_scores(v) is not None), None)


def describe_output(output: Any) -> str:
    """Return the sentences that say why `output` holds no class score, and what makes it work."""
    what = f"the model's output is {describe(output)}: not a class score.\n"
    if _one_number_a_row(output):
        return what + (
            "Regression: set idc_target = pkg.mod:callable (output -> (N,)).\n"
            "One logit z of two classes: set idc_output = pkg.mod:callable\n"
            "(z -> torch.cat([-z, z], 1))."
        )
    return what + (
        "Set idc_output = pkg.mod:callable (model output -> scores (N, C)), or\n"
        "idc_target = pkg.mod:callable (model output -> one number a row (N,)), and\n"
        "idc_correct = all if no input can be called correctly classified."
    )


def _one_number_a_row(output: Any) -> bool:
    floating = isinstance(output, Tensor) and output.is_floating_point()
    return floating and output.dim() > 0 and all(size == 1 for size in output.shape[1:])


def _scores(output: Any) -> Tensor | None:
    if isinstance(output, Tensor):
        return _as_scores(output)
    if isinstance(output, Mapping):
        key = scores_key(output)
        return None if key is None else _as_scores(output[key])
    if isinstance(output, (tuple, list)):
        # Only a tensor: a list of dicts is a detector's, one dict an image, and no score.
        return _as_scores(output[0]) if output else None
    return _as_scores(getattr(output, "logits", None))


def _as_scores(value: Any) -> Tensor | None:
    if not isinstance(value, Tensor) or not value.is_floating_point() or value.dim() < 2:
        return None
    if value.shape[1] < 2 or any(size != 1 for size in value.shape[2:]):
        return None
    return value.flatten(1)  # also of two dimensions: LRP's mode must meet the output once more


def check_labels(
    labels: Tensor | None, classes: int, kind: type[IdcError], why: str, source: str = ""
) -> None:
    """Refuse labels that are no classes of the model.

    Args:
        labels: (N,), UNKNOWN where not given; None where none are given.
        kind, why: Of the error; source: what the labels belong to.

    Raises:
        IdcError: A label is below 0 or no class.
    """
    if labels is None:
        return
    known = labels[labels != UNKNOWN]
    if len(known) and (int(known.min()) < 0 or int(known.max()) >= classes):
        raise kind(
            f"{source}{': ' if source else ''}labels go from {int(known.min())} to "
            f"{int(known.max())} and the model has {classes} classes",
            why,
            "Map the labels to class indices.",
        )
