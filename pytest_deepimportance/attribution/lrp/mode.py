"""The function mode: every torch function the model calls goes through its rule."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from pytest_deepimportance.attribution.lrp.inputs import are_given, mark_given
from pytest_deepimportance.attribution.lrp.names import LOOKUPS, MAY_WRITE, SOURCES
from pytest_deepimportance.attribution.lrp.operands import tensors_of
from pytest_deepimportance.attribution.lrp.operation import Operation, unknown
from pytest_deepimportance.attribution.lrp.passing import Pass, is_signal
from pytest_deepimportance.attribution.lrp.rules import RULES
from pytest_deepimportance.attribution.lrp.spelling import asks_in_place, spelling
from pytest_deepimportance.attribution.lrp.straight import is_foreign


class RelevanceMode(TorchFunctionMode):
    """Runs each function so that its gradient carries relevance; values are the function's own."""

    def __init__(self, run: Pass) -> None:
        super().__init__()
        self._run = run
        run.follow(self)
        self._paused = 0

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let functions through inside: what our own hooks compute is not the model's."""
        self._paused += 1
        try:
            yield
        finally:
            self._paused -= 1

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Apply the rule of `func`."""
        kwargs = kwargs or {}
        if torch.is_inference_mode_enabled():
            # Nor must the user's inference_mode: its tensors cannot be part of a graph.
            with torch.inference_mode(False):
                return self.__torch_function__(func, types, args, kwargs)
        if self._paused:
            return func(*args, **kwargs)
        spelled = spelling(func)
        carries, foreign = _seen((*args, *kwargs.values()))
        if not carries:
            return self._without_signals(spelled.name, func, args, kwargs)
        if "out" in kwargs and kwargs["out"] is not None:
            return self._into(func, types, args, kwargs)
        if spelled.writes or (spelled.name in MAY_WRITE and asks_in_place(args, kwargs)):
            self._run.before_write(args[0])
        if foreign:
            args, kwargs = self._followed(args), self._followed(kwargs)
        rule = RULES.get(spelled.name, unknown)
        operation = Operation(self._run, spelled, func, args, kwargs)
        straight = self._run.straight
        hidden = not torch.is_grad_enabled()
        # The user's no_grad must not cut the path: relevance asks what the forward computes.
        with torch.enable_grad(), straight.keeping():
            result = rule(operation)
            if hidden:
                straight.remember(result)
        if isinstance(result, Tensor) and not result.is_floating_point():
            mark_given(result)
        return result

    def _without_signals(
        self, name: str, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Run a function of constants; what is looked up for given integers begins the graph.

        Looked up for numbers of its own (positions), it is a constant that the model adds.
        """
        result = func(*args, **kwargs)
        if not are_given((args, kwargs)):
            return result
        if name in SOURCES or (name in LOOKUPS and _looks_up(result, args)):
            if self._run.ledger is not None:
                self._run.begin_source(result, (args, kwargs))
        else:
            mark_given(result)
        return result

    def _followed(self, values: Any) -> Any:
        """Return arguments with the ways back that functions written for autograd have hidden."""
        run = self._run
        values = run.straight.ways(values)
        for tensor in filter(is_foreign, tensors_of(values)):
            name, place = type(tensor.grad_fn).__name__.removesuffix("Backward"), run.place()
            what = "computes out of torch's sight: its own gradient is used"
            run.port(tensor).readers.append(partial(_note, run, name, place, what))
        return values

    def _into(self, func: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        """Run a call with `out=`, which autograd refuses, out of place."""
        target: Tensor = kwargs["out"]
        rest = {key: value for key, value in kwargs.items() if key != "out"}
        result = self.__torch_function__(func, types, args, rest)
        if target.shape != result.shape:
            target.resize_(result.shape)
        with torch.enable_grad():
            return self._run.write(target, result)


def _looks_up(result: Any, args: tuple[Any, ...]) -> bool:
    """Whether rows of a table were copied out by given integers: `table[ids]`."""
    integers = [t for t in tensors_of(args[1:]) if not t.is_floating_point()]
    return (
        isinstance(result, Tensor)
        and result.is_floating_point()
        and not are_given(args[0])
        and any(t.dtype is not torch.bool and are_given(t) for t in integers)
    )


def _note(run: Pass, name: str, place: str, what: str, _: Tensor) -> None:
    run.note(name, place, what)


def _seen(values: tuple[Any, ...]) -> tuple[bool, bool]:
    """Return whether a signal is among the values, and one whose way back is not torch's."""
    carries = foreign = False
    for value in values:
        if isinstance(value, Tensor):
            if is_signal(value):
                carries = True
                foreign = foreign or is_foreign(value)
        elif isinstance(value, (tuple, list)):
            inner = _seen(tuple(value))
            carries, foreign = carries or inner[0], foreign or inner[1]
    return carries, foreign
