"""The function mode: every torch function the model calls goes through its rule."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
        if not _carries(args) and not (kwargs and _carries(tuple(kwargs.values()))):
            return self._without_signals(spelled.name, func, args, kwargs)
        if "out" in kwargs and kwargs["out"] is not None:
            return self._into(func, types, args, kwargs)
        if spelled.writes or (spelled.name in MAY_WRITE and asks_in_place(args, kwargs)):
            self._run.before_write(args[0])
        # The user's no_grad must not cut the path: relevance asks what the forward computes.
        with torch.enable_grad():
            rule = RULES.get(spelled.name, unknown)
            result = rule(Operation(self._run, spelled, func, args, kwargs))
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


def _carries(values: tuple[Any, ...]) -> bool:
    for value in values:
        if isinstance(value, Tensor):
            if is_signal(value):
                return True
        elif isinstance(value, (tuple, list)) and _carries(tuple(value)):
            return True
    return False
