"""Which tokens of a call are real, and its rows without the others."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pytest_deepimportance.data.batches import ModelCall

_REAL = ("attention_mask", "input_mask")
"""Arguments in which non-zero marks a real token."""

_PADDED = ("padding_mask", "src_key_padding_mask", "key_padding_mask", "src_padding_mask")
"""Arguments in which True (or minus infinity) marks padding, as in `torch.nn.Transformer`."""

_LENGTHS = ("lengths", "length", "seq_lengths", "input_lengths", "src_lengths", "x_lengths")
_NAMED = inspect.Parameter.POSITIONAL_OR_KEYWORD


def padding_mask(call: ModelCall) -> Tensor | None:
    """Return which tokens of a call are real, (N, T) bool, or None if the call does not say.

    Read from keyword arguments: `attention_mask` (non-zero is real), `padding_mask`,
    `key_padding_mask` and `src_key_padding_mask` (True or minus infinity is padding), `lengths`
    (real tokens of each row).
    """
    for name in _REAL:
        mask = _plain_mask(call, name)
        if mask is not None:
            return _is_zero_or_more(mask) if _is_additive(mask) else mask != 0
    for name in _PADDED:
        mask = _plain_mask(call, name)
        if mask is not None:
            return _is_zero_or_more(mask) if _is_additive(mask) else mask == 0
    for name in _LENGTHS:
        lengths = call.kwargs.get(name)
        if not isinstance(lengths, Tensor) or lengths.shape != (call.rows,):
            continue
        tokens = _tokens(call)
        if tokens:
            return torch.arange(tokens, device=lengths.device) < lengths[:, None]
    return None


def without_padding(tensor: Tensor, real: Tensor) -> Tensor:
    """Return each row's real tokens in order, zeros behind them, in a tensor of the same shape.

    Args:
        tensor: (N, T, ...).
        real: (N, T) bool.
    """
    order = real.int().argsort(dim=1, descending=True, stable=True)
    shape = (*real.shape, *[1] * (tensor.dim() - 2))
    moved = tensor.gather(1, order.reshape(shape).expand_as(tensor))
    kept = real.gather(1, order).reshape(shape)
    return torch.where(kept, moved, torch.zeros((), dtype=tensor.dtype, device=tensor.device))


def named_arguments(
    forward: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Name the positional arguments of a call that says which tokens are real.

    A reference says so by name (a mapping), so the same row then has the same digest; calls
    without a mask are left as they are.

    Args:
        forward: What is called.
        args, kwargs: The call's arguments.
    """
    if not args or (len(args) == 1 and not kwargs):
        return args, dict(kwargs)
    try:
        bound = inspect.signature(forward).bind(*args, **kwargs)
    except (TypeError, ValueError):
        return args, dict(kwargs)
    if not any(name in bound.arguments for name in (*_REAL, *_PADDED, *_LENGTHS)):
        return args, dict(kwargs)
    kinds = {name: item.kind for name, item in bound.signature.parameters.items()}
    if any(kinds[name] is not _NAMED for name in list(bound.arguments)[: len(args)]):
        return args, dict(kwargs)
    return (), {**dict(zip(bound.arguments, args, strict=False)), **kwargs}


def _plain_mask(call: ModelCall, name: str) -> Tensor | None:
    mask = call.kwargs.get(name)
    fits = isinstance(mask, Tensor) and mask.dim() == 2 and len(mask) == call.rows
    return mask if fits else None


def _is_additive(mask: Tensor) -> bool:
    return mask.is_floating_point() and not bool((mask > 0).any())


def _is_zero_or_more(mask: Tensor) -> Tensor:
    return mask >= 0


def _tokens(call: ModelCall) -> int:
    """Return the number of tokens T: the second dimension of the first argument (N, T, ...)."""
    values: list[Any] = [*call.args, *_values(call.kwargs)]
    for value in values:
        if isinstance(value, Tensor) and value.dim() > 1 and len(value) == call.rows:
            return int(value.shape[1])
    return 0


def _values(kwargs: Mapping[str, Any]) -> list[Any]:
    return list(kwargs.values())
