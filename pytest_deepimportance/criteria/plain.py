"""Arrays as builtins and bytes, and back: what a state looks like on a report or in a file."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np


def to_plain(value: Any) -> Any:
    """Turn numpy arrays inside builtin containers into builtins and bytes.

    Arrays of bytes (bitmaps, mostly zeros after one test) are compressed.
    """
    if isinstance(value, np.ndarray):
        data = np.ascontiguousarray(value)
        if data.dtype == np.uint8:
            return {"shape": list(value.shape), "packed": zlib.compress(data.tobytes(), 1)}
        return {"dtype": data.dtype.str, "shape": list(value.shape), "data": data.tobytes()}
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    return value


def from_plain(value: Any) -> Any:
    """Undo `to_plain` (tuples come back as lists)."""
    if isinstance(value, Mapping):
        if set(value) == {"dtype", "shape", "data"}:
            flat = np.frombuffer(value["data"], dtype=np.dtype(value["dtype"]))
            return flat.reshape(value["shape"]).copy()
        if set(value) == {"shape", "packed"}:
            flat = np.frombuffer(zlib.decompress(value["packed"]), dtype=np.uint8)
            return flat.reshape(value["shape"]).copy()
        return {key: from_plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [from_plain(item) for item in value]
    return value
