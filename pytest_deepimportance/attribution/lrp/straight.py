"""Functions that users wrote for autograd: relevance follows what their forward computed.

`torch.utils.checkpoint` and every `torch.autograd.Function` run their forward without a graph and
hang a backward of their own on the results; checkpoint without re-entrance keeps nothing and
computes all again during the backward pass. Both would answer with gradients where relevance is
asked for. So each result that is made without a graph is remembered with the way back that the
rules gave it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction

from pytest_deepimportance.attribution.lrp.autograd import OWN
from pytest_deepimportance.attribution.lrp.operands import replaced, tensors_of

_top: Callable[[bool], Any] | None = getattr(
    torch._C._autograd, "_top_saved_tensors_default_hooks", None
)


def _hooks() -> Any:
    """Return the innermost hooks on what autograd keeps, None where there are none."""
    return None if _top is None else _top(False)


class StraightThrough:
    """Knows the way back of results that a function written for autograd has hidden.

    Attributes:
        used: Whether anything ran without a graph.
    """

    def __init__(self) -> None:
        self.used = False
        self._ways: dict[int, tuple[Tensor, Tensor]] = {}
        self._hooks = _hooks()

    def leave_graph(self) -> None:
        """Forget the ways, which are parts of the graph."""
        self._ways.clear()

    def remember(self, result: Any) -> None:
        """Remember the ways back of results that were made while no graph was wanted."""
        self.used = True
        for tensor in tensors_of(result):
            if tensor.grad_fn is not None:
                self._ways[id(tensor)] = tensor, tensor.view_as(tensor)

    def way(self, tensor: Tensor) -> Tensor:
        """Return `tensor`, or the same values with the way back that was hidden."""
        if not is_foreign(tensor):
            return tensor
        known = self._ways.get(id(tensor))
        return tensor if known is None or known[0] is not tensor else known[1]

    def ways(self, values: Any) -> Any:
        """Return nested arguments with each tensor's way back."""
        return replaced(values, self.way)

    def keeping(self) -> AbstractContextManager[Any]:
        """Keep what autograd saves inside as if no other hooks had been set since the beginning."""
        if _hooks() == self._hooks:
            return nullcontext()
        pack, unpack = self._hooks or (_as_it_is, _as_it_is)
        return torch.autograd.graph.saved_tensors_hooks(pack, unpack)


def _as_it_is(value: Any) -> Any:
    return value


def is_foreign(tensor: Tensor) -> bool:
    """Whether the way back from `tensor` is a function that somebody else wrote in Python."""
    way = tensor.grad_fn
    return isinstance(way, BackwardCFunction) and way._forward_cls not in OWN
