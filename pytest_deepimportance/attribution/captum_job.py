"""What passes between our classes and captum: rows to attribute, answers, and its exceptions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from pytest_deepimportance.attribution.memory_errors import is_out_of_memory
from pytest_deepimportance.errors import ForwardError, IdcError, MethodUnavailable, own_place_of

_CAUSES = (
    (
        re.compile("in-?place"),
        "its forward writes into a tensor whose gradient is needed",
        "write y = F.relu(y) for F.relu_(y), and y = y + z for y += z",
    ),
    (
        re.compile("(?i)inference tensor"),
        "part of its forward runs under torch.inference_mode()",
        "take that out of the forward",
    ),
    (
        re.compile("(n't|not) require grad"),
        "part of its forward runs without gradients, by torch.no_grad() or .detach()",
        "take that out of the forward",
    ),
)
"""What torch says, which cause that has in a forward, and what to do about it."""


@dataclass(frozen=True)
class Job:
    """Some rows as captum takes them.

    Attributes:
        inputs: Tensors that captum attributes to or interpolates.
        others: Further arguments with a row for each input; the last holds the chosen classes.
        rows: N.
        limit: Rows that one pass may hold.
    """

    inputs: tuple[Tensor, ...]
    others: tuple[Tensor, ...]
    rows: int
    limit: int


def as_tuple(found: Any) -> tuple[Tensor, ...]:
    """Return captum's answer as a tuple: one layer gives a bare tensor."""
    return found if isinstance(found, tuple) else (found,)


@contextmanager
def explained(method: str) -> Iterator[None]:
    """Turn what captum (or the model, on inputs that captum made) raises into our error."""
    try:
        yield
    except ForwardError as error:
        cause = error.__cause__
        assert isinstance(cause, Exception)
        raise _unavailable(method, cause) from cause
    except IdcError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise _unavailable(method, error) from error


def _unavailable(method: str, error: Exception) -> MethodUnavailable:
    text, place = " ".join(str(error).split()), own_place_of(error)
    for words, cause, remedy in _CAUSES:
        if words.search(text):
            return MethodUnavailable(
                f"{method} cannot run on this model: {cause} ({place or text[:300]})",
                "The method is captum's, which goes by torch's own gradients.",
                f"Use lrp, or {remedy}.",
            )
    return MethodUnavailable(
        f"{method} cannot run on this model: {type(error).__name__}: {text[:300]}"
        + (f" ({place})" if place else ""),
        "The method is captum's; it is left out, never replaced by another.",
        "Use lrp, or another method.",
    )
