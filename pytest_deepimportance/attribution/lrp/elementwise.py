"""Element-wise functions: relevance sees the secant (f(x) - f(0)) / x, never the tangent."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from pytest_deepimportance.attribution.lrp.autograd import overwritten, secant
from pytest_deepimportance.attribution.lrp.names import GATES
from pytest_deepimportance.attribution.lrp.operation import Operation, pass_gate, unknown
from pytest_deepimportance.attribution.lrp.passing import Pass, is_signal, mark_gate
from pytest_deepimportance.attribution.lrp.spelling import asks_in_place

NEAR_ZERO = 1e-6
"""Below this share of a row's largest |x| the secant is replaced by its limit f'(0)."""


STEP = 1e-7
"""For derivatives at 0 that torch does not know."""


def elementwise(op: Operation) -> Any:
    """Send back the secant (f(x) - f(0)) / x; f(0) is absorbed."""
    args = op.args or (op.operand(0, "input", "self"),)
    kwargs = op.kwargs
    if not op.args:
        kwargs = {key: value for key, value in kwargs.items() if key not in ("input", "self")}
    if not is_signal(args[0]) or not can_apply(args, kwargs):
        return unknown(op)
    writes = op.spelled.writes or asks_in_place(args, kwargs)
    result = apply_secant(op.run, op.func, args, kwargs, writes=writes)
    if op.spelled.name in GATES:
        mark_gate(result)
        op.run.final = (op.spelled.name, args[0], result)
    return pass_gate(op, result)


def apply_secant(
    run: Pass, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, writes: bool
) -> Tensor:
    """Apply an element-wise `func` to the signal `args[0]`; where it wants to, in place.

    f(0) is absorbed as a bias. The value is exactly what `func` computes.

    Args:
        writes: Whether `func` may overwrite what it is given.
    """
    tensor: Tensor = args[0]
    plain = tensor.detach()
    # Autograd lets nobody write into a view but its own functions.
    in_place = writes and not tensor._is_view()
    if in_place:
        run.before_write(tensor)
    before = plain.clone() if writes else plain
    given = plain if in_place or not writes else before.clone()
    value = func(given, *args[1:], **kwargs)
    at_zero, limit = _at_zero(func, args[1:], tuple(sorted(kwargs.items())))
    slope = _slope(before, value, at_zero, limit)
    if value is not given:
        result = secant(tensor, value, slope)
    elif in_place:
        result = overwritten(tensor, slope)
    else:
        result = run.write(tensor, secant(tensor, value, slope))
    ledger = run.ledger
    if at_zero and ledger is not None:
        run.port(result).readers.append(lambda g: ledger.constant("bias", g, at_zero))
    return result


def can_apply(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether the function's other arguments are plain data, so that f is one function of x."""
    return all(_is_plain(item) for item in (*args[1:], *kwargs.values()))


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float, str))


def _slope(tensor: Tensor, value: Tensor, at_zero: float, limit: float) -> Tensor:
    """Return (f(x) - f(0)) / x, or its limit where the difference is all rounding error."""
    finite = limit if math.isfinite(limit) else 0.0
    if at_zero == 0:  # the rounding errors of f vanish with x
        return (value / tensor).nan_to_num_(finite, 0.0, 0.0)
    slope = (value - at_zero).div_(tensor)
    size = tensor.abs()
    # By row, so that a row's relevance does not depend on the others of its batch.
    largest = size.amax(dim=tuple(range(1, size.dim())), keepdim=True) if size.dim() > 1 else size
    share = NEAR_ZERO if math.isfinite(limit) else 0.0
    return torch.where(size <= largest * share, finite, slope)


@lru_cache(maxsize=1024)
def _at_zero(
    func: Any, args: tuple[Any, ...], kwargs: tuple[tuple[str, Any], ...]
) -> tuple[float, float]:
    """Return f(0) and f'(0)."""
    zero = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    try:
        with torch.enable_grad():
            value = func(zero.clone(), *args, **dict(kwargs))
        (slope,) = torch.autograd.grad(value.sum(), zero, allow_unused=True)
    except RuntimeError:  # torch knows no derivative
        value = func(torch.zeros(1, dtype=torch.float64), *args, **dict(kwargs))
        beside = func(torch.full((1,), STEP, dtype=torch.float64), *args, **dict(kwargs))
        slope = (beside - value) / STEP
    return float(value.detach()), 0.0 if slope is None else float(slope)
