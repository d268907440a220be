"""Statistics: constant where they divide or scale; as signals, divided by Euler's theorem.

A function with f(a x) = a^d f(x) has sum x_i df/dx_i = d f(x) (Euler): its gradient, divided by the
degree d, hands on exactly what it is given. A norm has d = 1, a variance d = 2.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from pytest_deepimportance.attribution.lrp.operation import Operation
from pytest_deepimportance.attribution.lrp.passing import is_signal, mark_gate


def first_degree(op: Operation) -> Any:
    """Mark a divisor or a scale, constant in a product; as a signal, each part by its share."""
    result = op.call()
    _mark(result)
    return result


def second_degree(op: Operation) -> Any:
    """Mark a variance, constant in a product; as a signal, each part by its share."""
    result = op.call()
    _mark(result)
    _halve(op, result)
    return result


def with_mean(op: Operation) -> Any:
    """Mark a variance or deviation, constant in a product; the mean beside it is linear."""
    spread, mean = op.call()
    _mark(spread)
    if op.spelled.name == "var_mean":
        _halve(op, spread)
    return spread, mean


def _mark(result: Any) -> None:
    for item in result if isinstance(result, tuple) else (result,):
        mark_gate(item)


def _halve(op: Operation, result: Any) -> None:
    if isinstance(result, Tensor) and is_signal(result):
        op.run.port(result).transforms.append(lambda gradient: gradient * 0.5)
