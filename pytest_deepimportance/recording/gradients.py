"""Tell attack steps apart: passes through which a gradient flowed back to the input."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from pytest_deepimportance.recording.inert import InertHook


class GradientWatch:
    """Watches whether a gradient flows through one pass and on to its input (engineering row 9).

    Both ends are needed: one input tensor may serve several passes, of which only one is
    differentiated. Gradients that the forward computes itself (energies and forces) do not count.
    The hooks leave every gradient as it is, and hold no tensor.
    """

    reached_input = False
    _reached_inside = False
    _armed = False
    _on_attack: Callable[[], None] | None = None
    _handles: tuple[Any, ...] = ()

    @property
    def watching(self) -> bool:
        """Whether a gradient could flow back at all."""
        return bool(self._handles)

    def watch_inputs(self, values: Any) -> None:
        """Watch the tensors in `values` that require grad."""
        if torch.is_grad_enabled():
            for tensor in tensors_in(values):
                self._register(tensor, self._input)

    def watch_inside(self, values: Any) -> None:
        """Watch tensors that the pass made: its output, and the first site."""
        if self._handles:
            for tensor in tensors_in(values):
                self._register(tensor, self._inside)

    def arm(self, on_attack: Callable[[], None]) -> None:
        """Count gradients from now on: the pass has returned."""
        self._on_attack = on_attack
        self._armed = True

    def close(self) -> None:
        """Take the hooks off; what was seen stays."""
        for handle in self._handles:
            handle.remove()
        self._handles = ()
        self._armed = False
        self._on_attack = None

    def _register(self, tensor: Tensor, action: Callable[[], None]) -> None:
        if tensor.requires_grad:
            register: Callable[[_GradientHook], Any] = tensor.register_hook
            self._handles += (register(_GradientHook(action)),)

    def _input(self) -> None:
        if self._armed and self._reached_inside and not self.reached_input:
            self.reached_input = True
            if self._on_attack is not None:
                self._on_attack()

    def _inside(self) -> None:
        self._reached_inside = self._reached_inside or self._armed


class _GradientHook(InertHook):
    def __init__(self, action: Callable[[], None]) -> None:
        self._action = action

    def __call__(self, gradient: Tensor) -> None:
        self._action()


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Yield every tensor in nested tuples, lists and mappings."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors_in(item)
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from tensors_in(item)


def detached(value: Any) -> Any:
    """Return `value` with every tensor in nested tuples, lists and mappings copied and detached."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(detached(item) for item in value))
    if isinstance(value, (tuple, list)):
        return type(value)(detached(item) for item in value)
    if type(value) is dict:
        return {name: detached(item) for name, item in value.items()}
    return value
