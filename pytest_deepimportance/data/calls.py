"""What is given as `batches` in Python, turned into calls of the model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pytest_deepimportance.data.batches import ModelCall, as_call, as_labels, describe, is_array
from pytest_deepimportance.data.loaders import is_pair
from pytest_deepimportance.errors import BatchError

ROWS = 256
"""Rows of a batch cut from data that are given as a whole."""


def calls_of(batches: Any) -> Iterator[ModelCall]:
    """Yield the calls that have rows.

    Args:
        batches: An iterable of what `as_call` takes; or x, (x, y) or a mapping of arrays as a
            whole, as a reference may be given, which is cut into batches of 256 rows.

    Raises:
        BatchError: It is neither, or a batch is not understood.
    """
    if _is_whole(batches):
        yield from as_call(batches).split(ROWS)
        return
    iterable = isinstance(batches, Iterable) or hasattr(batches, "__getitem__")
    if isinstance(batches, (str, bytes)) or not iterable:
        raise BatchError(
            f"batches is {describe(batches)}",
            "The model is run on them one by one.",
            "Give x, (x, y), a list of batches or a DataLoader.",
        )
    yield from (call for call in map(as_call, batches) if call.rows)


def _is_whole(batches: Any) -> bool:
    if is_array(batches) or isinstance(batches, (Mapping, ModelCall)):
        return True
    if not is_pair(batches):
        return False
    first, second = batches[0], batches[1] if len(batches) > 1 else None
    if not is_array(first) or not is_array(second) or second.shape[1:] != first.shape[1:]:
        return True
    # A tuple of equally shaped arrays may also be two batches; only labels make it a pair.
    return as_labels(second, len(first)) is not None
