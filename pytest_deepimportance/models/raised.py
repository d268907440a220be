"""What is said when the user's forward raised: the exception, where, on which inputs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from torch import nn

from pytest_deepimportance.data.batches import ModelCall, describe
from pytest_deepimportance.errors import ForwardError, IdcError, own_place_of
from pytest_deepimportance.models.vocabulary import FIT, misfit

_Kind = TypeVar("_Kind", bound=IdcError)

_TRY = (
    "Check that these inputs are what the model takes, for example with model(batch) on one batch "
    "of the reference."
)


def forward_raised(
    error: Exception,
    model: nn.Module,
    call: ModelCall,
    kind: type[_Kind],
    source: str = "",
    why: str = "",
    fix: str = _TRY,
    row: int | None = None,
) -> _Kind:
    """Return the error to raise from an exception of the user's forward.

    Args:
        kind: Of the error.
        source: What the inputs are called; empty where nobody knows.
        why, fix: As for every error; token ids that the model does not know have their own.
        row: Number of the first of these inputs in the source.
    """
    wrong = misfit(model, call)
    shown = [describe(value) for value in call.args]
    shown += [f"{name}={describe(value)}" for name, value in call.kwargs.items()]
    raised = f"forward raised {type(error).__name__}: {error}"
    place = own_place_of(error)
    raiser = type(model).__name__ + (f" ({place})" if place else "")
    of = f" of {source}" if source else ""
    of += "" if row is None else f", rows {row:,} to {row + call.rows - 1:,}"
    inputs = f"on inputs{of}: {', '.join(shown)}"
    if wrong:
        subject = source or "the inputs"
        verb = "does" if source else "do"
        return kind(f"{subject} {verb} not fit the model: {wrong}\n{inputs}", f"Its {raised}", FIT)
    return kind(f"the model's {raised}\n{raiser} {inputs}", why, fix)


@contextmanager
def naming_inputs(
    source: str,
    model: nn.Module,
    call: ModelCall,
    kind: type[IdcError] = ForwardError,
    row: int | None = None,
) -> Iterator[None]:
    """Say which inputs it was that the user's forward raised on.

    Args:
        source, kind, row: As for `forward_raised`.
    """
    try:
        yield
    except ForwardError as error:
        cause = error.__cause__
        assert isinstance(cause, Exception)
        raise forward_raised(cause, model, call, kind, source, row=row) from cause
