"""Tensors among a function's arguments, however they are nested."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor


def tensors_of(value: Any) -> list[Tensor]:
    """Return the tensors in nested tuples, lists and mappings, in order."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, (tuple, list)):
        return [tensor for item in value for tensor in tensors_of(item)]
    return []


def replaced(value: Any, replace: Callable[[Tensor], Any]) -> Any:
    """Return `value` with every tensor in it given through `replace`."""
    if isinstance(value, Tensor):
        return replace(value)
    if isinstance(value, dict):
        return {key: replaced(item, replace) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(replaced(item, replace) for item in value)
    return value
