"""Functions that write constants between signals: what they write absorbs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pytest_deepimportance.attribution.lrp.operation import Operation, pass_gate
from pytest_deepimportance.attribution.lrp.passing import is_signal


def affine(op: Operation) -> Any:
    """Let constants among the signals absorb: what the function gives for signals of zero."""
    ledger = op.run.ledger
    constant = None if ledger is None else _at_zero(op)
    result = op.call()
    target = op.args[0] if op.spelled.writes else result
    if ledger is not None and isinstance(constant, Tensor) and is_signal(target):
        kept = op.run.keep(constant)
        op.run.port(target).readers.append(
            lambda g: ledger.dot("bias", g, kept.value.to(g.dtype).expand_as(g))
        )
    return pass_gate(op, result)


def _at_zero(op: Operation) -> Any:
    """Return the constant part, None where nothing but signals is given."""
    args, kwargs = _zeroed(op.args), _zeroed(op.kwargs)
    if op.spelled.writes and args[0] is op.args[0]:
        args = (args[0].clone(), *args[1:])
    with torch.no_grad():
        result = op.func(*args, **kwargs)
    return args[0] if op.spelled.writes else result


def _zeroed(value: Any) -> Any:
    if is_signal(value):
        return torch.zeros_like(value.detach())
    if isinstance(value, dict):
        return {key: _zeroed(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_zeroed(item) for item in value)
    return value
