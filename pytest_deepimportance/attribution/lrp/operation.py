"""One call of a torch function, and the two rules that need nothing: plain and unknown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pytest_deepimportance.attribution.lrp.passing import Pass, is_gate, is_signal, mark_gate
from pytest_deepimportance.attribution.lrp.spelling import Spelling

NO_RULE = "has no relevance rule: its plain gradient is used"


@dataclass(frozen=True)
class Operation:
    """One call of a torch function with a signal among its arguments."""

    run: Pass
    spelled: Spelling
    func: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def call(self) -> Any:
        """Run the function as it was called."""
        return self.func(*self.args, **self.kwargs)

    def operand(self, position: int, *keywords: str) -> Any:
        """Return an argument given by position or by one of its names, None if absent."""
        if position < len(self.args):
            return self.args[position]
        return next((self.kwargs[key] for key in keywords if key in self.kwargs), None)


def plain(op: Operation) -> Any:
    """Leave the gradient to autograd: linear, or linear in pieces that go through the origin."""
    return pass_gate(op, op.call())


def pass_gate(op: Operation, result: Any) -> Any:
    """Mark the result of a function of gates alone as a gate."""
    signals = [item for item in (*op.args, *op.kwargs.values()) if is_signal(item)]
    if signals and all(is_gate(item) for item in signals):
        for item in result if isinstance(result, (tuple, list)) else (result,):
            mark_gate(item)
    return result


def unknown(op: Operation) -> Any:
    """Autograd's own gradient, named in the notes if relevance flows through it."""
    return noted(op, op.call())


def noted(op: Operation, result: Any) -> Any:
    """Name the operation in the notes if relevance flows back through its result."""
    name, place, run = op.spelled.name, op.run.place(), op.run
    results = result if isinstance(result, (tuple, list)) else (result,)
    for item in results:
        if is_signal(item):
            run.port(item).readers.append(lambda _: run.note(name, place, NO_RULE))
    return result


def statistic(op: Operation) -> Any:
    """Mark a divisor or a scale, constant in a product; as a signal of its own it has no rule."""
    result = op.call()
    for item in result if isinstance(result, tuple) else (result,):
        mark_gate(item)
    return noted(op, result)
