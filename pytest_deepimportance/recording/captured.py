"""What a model was called with, read as a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from pytest_deepimportance.data.batches import ModelCall, as_labels, as_tensor
from pytest_deepimportance.errors import BatchError
from pytest_deepimportance.recording.gradients import tensors_in

_LABEL_NAMES = ("labels", "label")


def captured_call(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> ModelCall:
    """Return what the model was called with, its labels taken out, as `as_call` does for batches.

    Raises:
        BatchError: There is no tensor whose first dimension could be the rows.
    """
    plain = tuple(_as_tensor(value) for value in args)
    named = {key: _as_tensor(v) for key, v in kwargs.items() if key not in _LABEL_NAMES}
    rows = _rows_of([*plain, *named.values()])
    if rows is None:
        # Tensors hidden in tuples or nested mappings: read as arguments of their own.
        plain, named = tuple(t for t in tensors_in((plain, named)) if t.dim()), {}
        rows = _rows_of(plain)
    if rows is None:
        raise BatchError("a call without any tensor that has a row dimension")
    labels = next((kwargs[key] for key in _LABEL_NAMES if kwargs.get(key) is not None), None)
    try:
        known = None if labels is None else as_labels(labels, rows)
    except BatchError:
        known = None
    return ModelCall(plain, named, known, rows)


def _as_tensor(value: Any) -> Any:
    return as_tensor(value) if isinstance(value, np.ndarray) else value


def _rows_of(values: Sequence[Any]) -> int | None:
    for value in values:
        if isinstance(value, Tensor) and value.dim():
            return len(value)
        if isinstance(value, list) and value and all(isinstance(v, Tensor) for v in value):
            return len(value)
    return None
