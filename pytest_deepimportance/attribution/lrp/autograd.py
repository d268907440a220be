"""The differentiable functions the engine adds to torch's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function


class _Start(Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor, root: Tensor) -> Tensor:
        ctx.mark_dirty(tensor)
        return tensor

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[None, None]:
        return None, None


class _Secant(Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor, value: Tensor, slope: Tensor) -> Tensor:
        ctx.slope = slope
        # As if written in place: the result may be changed in place again, a view might not.
        ctx.mark_dirty(value)
        return value

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, None, None]:
        return gradients[0] * ctx.slope, None, None


class _Overwritten(Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor, slope: Tensor) -> Tensor:
        ctx.slope = slope
        ctx.mark_dirty(tensor)
        return tensor

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, None]:
        return gradients[0] * ctx.slope, None


class _Sent(Function):
    @staticmethod
    def forward(
        ctx: Any, tensor: Tensor, value: Tensor, send: Callable[[Tensor], Tensor]
    ) -> Tensor:
        ctx.send = send
        ctx.mark_dirty(value)
        return value

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, None, None]:
        return ctx.send(gradients[0]), None, None


Back = Callable[[Tensor, Tensor], "Tensor | None"]
"""(gradient of a result, weight) -> gradient of the signal."""


class _Ruled(Function):
    @staticmethod
    def forward(
        ctx: Any,
        tensor: Tensor,
        value: Tensor,
        weight: Tensor,
        back: Back,
    ) -> Tensor:
        ctx.back = back
        ctx.save_for_backward(weight)
        ctx.mark_dirty(value)
        return value

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor | None, None, None, None]:
        return ctx.back(gradients[0], *ctx.saved_tensors), None, None, None


OWN = (_Start, _Secant, _Overwritten, _Sent, _Ruled)
"""Our own functions: any other one that is written in Python belongs to the user."""


def start(tensor: Tensor, root: Tensor) -> Tensor:
    """Let the graph begin at `tensor`, in place; it may be changed in place later.

    A leaf that requires grad could not. One scalar `root` for all starts makes one
    `autograd.grad(target, root)` visit every path to any of them.

    Args:
        tensor: A tensor outside the graph that is no view.
        root: A leaf that requires grad.
    """
    begun: Tensor = _Start.apply(tensor, root)
    return begun


def secant(tensor: Tensor, value: Tensor, slope: Tensor) -> Tensor:
    """Return `value` (outside the graph until now), which sends slope x gradient to `tensor`."""
    ruled: Tensor = _Secant.apply(tensor, _own(value), slope)
    return ruled


def overwritten(tensor: Tensor, slope: Tensor) -> Tensor:
    """Return `tensor`, whose memory now holds f(x): it sends slope x gradient to what it was."""
    ruled: Tensor = _Overwritten.apply(tensor, slope)
    return ruled


def sent_back(tensor: Tensor, value: Tensor, send: Callable[[Tensor], Tensor]) -> Tensor:
    """Return `value` (outside the graph until now), which sends `send(gradient)` to `tensor`."""
    ruled: Tensor = _Sent.apply(tensor, _own(value), send)
    return ruled


def ruled(tensor: Tensor, value: Tensor, weight: Tensor, back: Back) -> Tensor:
    """Return `value` (outside the graph until now), whose gradient reaches `tensor` as `back` says.

    Args:
        weight: Kept until the backward pass; torch refuses it if something overwrites it.
        back: (gradient of the value, weight) -> gradient of the tensor. It must hold nothing of
            the graph, or the graph would hold itself.
    """
    result: Tensor = _Ruled.apply(tensor, value, weight, back)
    return result


def _own(value: Tensor) -> Tensor:
    """Return a value with memory of its own: a view would lead back to what it is a view of."""
    return value.clone() if value._is_view() else value


def new_root(device: torch.device) -> Tensor:
    """Return the leaf that all starts of one pass share."""
    return torch.zeros((), device=device, requires_grad=True)
