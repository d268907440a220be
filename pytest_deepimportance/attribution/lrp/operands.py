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
    if not isinstance(value, (dict, tuple, list)) or not tensors_of(value):
        return value
    if isinstance(value, dict):
        return {key: replaced(item, replace) for key, item in value.items()}
    return type(value)(replaced(item, replace) for item in value)


class _Hole:
    """Stands in a list of arguments where an operand goes."""

    def __init__(self, number: int) -> None:
        self.number = number


def as_bilinear(
    func: Callable[..., Any],
    arguments: tuple[tuple[Any, ...], dict[str, Any]],
    operands: tuple[Tensor, Tensor],
    bias: Tensor | None = None,
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return a call of `func` as a function of two `operands`; it holds nothing of the graph.

    Args:
        arguments: Positional ones and keywords, in which the operands are.
        bias: The argument that becomes None.
    """

    def opened(tensor: Tensor) -> Any:
        for number, operand in enumerate(operands):
            if tensor is operand:
                return _Hole(number)
        return None if tensor is bias else tensor.detach()

    args, kwargs = replaced(arguments, opened)

    def apply(signal: Tensor, weight: Tensor) -> Tensor:
        given = signal, weight
        result: Tensor = func(*_filled(args, given), **_filled(kwargs, given))
        return result

    return apply


def _filled(value: Any, given: tuple[Tensor, Tensor]) -> Any:
    if isinstance(value, _Hole):
        return given[value.number]
    if isinstance(value, dict):
        return {key: _filled(item, given) for key, item in value.items()}
    if type(value) in (tuple, list):
        return type(value)(_filled(item, given) for item in value)
    return value
