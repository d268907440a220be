"""Sums, products and joins: of signals, and of signals with constants."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from pytest_deepimportance.attribution.lrp.elementwise import elementwise
from pytest_deepimportance.attribution.lrp.operation import (
    Operation,
    pass_gate,
    plain,
    statistic,
    unknown,
)
from pytest_deepimportance.attribution.lrp.passing import Pass, is_gate, is_signal


def multiply(op: Operation) -> Any:
    """Scale by constants; a gate or a smaller operand is one; equal-shaped signals share."""
    first, second = op.operand(0, "input", "self"), op.operand(1, "other")
    if not (is_signal(first) and is_signal(second)):
        return plain(op)
    if is_gate(first) and is_gate(second):
        return pass_gate(op, _halved(op, first, second))
    gates = _gates(first, second)
    writes = op.spelled.writes
    if gates[1]:
        return op.func(first, second.detach())
    if gates[0]:
        result = torch.mul(first.detach().clone() if writes else first.detach(), second)
        return op.run.write(first, result) if writes else result
    return _halved(op, first, second)


def _halved(op: Operation, first: Tensor, second: Tensor) -> Tensor:
    writes = op.spelled.writes
    result = torch.mul(first.clone() if writes else first, second)
    op.run.port(result).transforms.append(lambda gradient: gradient * 0.5)
    return op.run.write(first, result) if writes else result


def _gates(first: Tensor, second: Tensor) -> tuple[bool, bool]:
    """Return which of two signals of a product is a gate: the broadcast one, or the marked one."""
    if first.shape != second.shape:
        smaller = second.numel() < first.numel()
        return not smaller, smaller
    marks = is_gate(first), is_gate(second)
    return (False, False) if marks[0] == marks[1] else marks


def divide(op: Operation) -> Any:
    """Take a divisor as constant; a constant divided by a signal is a statistic."""
    first, second = op.operand(0, "input", "self"), op.operand(1, "other")
    if op.spelled.reversed or not is_signal(first):
        return statistic(op)
    if not is_signal(second):
        return plain(op)
    kwargs = {key: value for key, value in op.kwargs.items() if key == "rounding_mode"}
    return pass_gate(op, op.func(first, second.detach(), **kwargs))


def power(op: Operation) -> Any:
    """Apply the secant to x ** p; a negative exponent makes a statistic."""
    base, exponent = op.operand(0, "input", "self"), op.operand(1, "exponent")
    if op.spelled.reversed:
        return elementwise(op)
    if isinstance(exponent, Tensor) and exponent.numel() == 1 and not is_signal(exponent):
        number = exponent.item()
        return power(replace(op, args=(base, number), kwargs={}))
    if not isinstance(exponent, (int, float)):
        return unknown(op)
    return statistic(op) if exponent <= 0 else elementwise(op)


def add(op: Operation) -> Any:
    """Signals pass; an added constant absorbs its share as a bias."""
    first, second = op.operand(0, "input", "self"), op.operand(1, "other")
    result = pass_gate(op, op.call())
    ledger = op.run.ledger
    if ledger is None or (is_signal(first) and is_signal(second)):
        return result
    alpha = op.kwargs.get("alpha", 1) * (-1 if op.spelled.name == "sub" else 1)
    constant, factor = (second, alpha) if is_signal(first) else (first, 1)
    if op.spelled.reversed:
        constant, factor = (second, 1) if is_signal(first) else (first, alpha)
    _absorb(op.run, result, constant, float(factor))
    return result


def _absorb(run: Pass, result: Tensor, constant: Any, factor: float = 1.0) -> None:
    """Book what an added `constant` (a number, or broadcastable) takes."""
    ledger = run.ledger
    if ledger is None:
        return
    base = result._base
    if base is not None and is_signal(base):
        # Written through a view: relevance comes back by the whole tensor, past the view.
        result, constant, factor = base, _in_base(result, base, constant, factor), 1.0
    if not isinstance(constant, Tensor):
        value = float(constant) * factor
        if value:
            run.port(result).readers.append(lambda g: ledger.constant("bias", g, value))
        return
    kept = run.keep(constant)
    run.port(result).readers.append(
        lambda g: ledger.dot("bias", g, kept.value.to(g.dtype).expand_as(g), factor)
    )


def _in_base(view: Tensor, base: Tensor, constant: Any, factor: float) -> Tensor:
    """Return what was added through a view as a tensor of the shape of its base."""
    whole = torch.zeros_like(base.detach())
    offset = view.storage_offset() - base.storage_offset()
    if whole.stride() != base.stride():
        whole = torch.empty_strided(base.shape, base.stride(), dtype=base.dtype, device=base.device)
        whole.zero_()
    part = whole.as_strided(view.shape, view.stride(), offset)
    part.add_(constant.detach() if isinstance(constant, Tensor) else float(constant), alpha=factor)
    return whole


def join(op: Operation) -> Any:
    """Constants that are joined to signals absorb their share as a bias."""
    if op.run.ledger is None:
        return op.call()
    if op.spelled.name == "where":
        return _where(op)
    parts = op.operand(0, "tensors")
    begun = type(parts)(_booked(op.run, item) for item in parts)
    if op.args:
        return op.func(begun, *op.args[1:], **op.kwargs)
    return op.func(**{**op.kwargs, "tensors": begun})


def _where(op: Operation) -> Any:
    condition = op.operand(0, "condition")
    first, second = op.operand(1, "input", "self"), op.operand(2, "other")
    if isinstance(first, Tensor) and op.func is Tensor.where:
        condition, first = op.operand(1, "condition"), op.operand(0, "self")
    result = torch.where(condition, first, second)
    if is_signal(first) and is_signal(second):
        return result
    signal, constant = (first, second) if is_signal(first) else (second, first)
    zero = torch.zeros((), dtype=signal.dtype, device=signal.device)
    number = torch.as_tensor(constant, dtype=signal.dtype, device=signal.device)
    chosen = (zero, number) if signal is first else (number, zero)
    _absorb(op.run, result, torch.where(condition, *chosen))
    return result


def _booked(run: Pass, item: Any) -> Any:
    """Return a joined part; a constant begins a path of its own that books what arrives there."""
    if is_signal(item) or not item.is_floating_point():
        return item
    return run.begin_at(item.detach().clone(), "bias")


def masked_fill(op: Operation) -> Any:
    """Positions that are filled lose their relevance to the value that fills them."""
    mask, value = op.operand(1, "mask"), op.operand(2, "value")
    result = pass_gate(op, op.call())
    if is_signal(op.operand(0, "input", "self")) and not is_signal(value):
        number = float(value)
        if op.run.ledger is not None and number and abs(number) != float("inf"):
            _absorb(op.run, result, mask.to(result.dtype) * number)
    return result


def pad(op: Operation) -> Any:
    """Let padding by a value other than zero absorb."""
    result = op.call()
    mode, value = op.operand(2, "mode") or "constant", op.operand(3, "value")
    if mode == "constant" and value and op.run.ledger is not None:
        ones = torch.zeros_like(op.operand(0, "input"))
        fill = torch.nn.functional.pad(ones, op.operand(1, "pad"), "constant", value)
        _absorb(op.run, result, fill)
    return result
