"""Rebuild nested frozen dataclasses from the plain data that `dataclasses.asdict` makes."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any


def rebuild(kind: Any, value: Any) -> Any:
    """Turn plain data back into the dataclass (or container of dataclasses) `kind`."""
    if value is None:
        return None
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return rebuild(next(item for item in arguments if item is not type(None)), value)
    if origin is tuple:
        return tuple(rebuild(arguments[0], item) for item in value)
    if origin is not None and issubclass(origin, Mapping):
        return {key: rebuild(arguments[1], item) for key, item in value.items()}
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind)
        return kind(**{key: rebuild(hints[key], item) for key, item in value.items()})
    return value
