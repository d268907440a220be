"""The state of one forward and backward pass: starts, kept values, gradient hooks, notes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from pytest_deepimportance.attribution.lrp.autograd import new_root, start
from pytest_deepimportance.attribution.lrp.ledger import Ledger

Reader = Callable[[Tensor], None]
Transform = Callable[[Tensor], Tensor]


class Kept:
    """A tensor's values as they were when it was kept, copied only if something overwrites them."""

    __slots__ = ("value",)

    def __init__(self, value: Tensor) -> None:
        self.value = value


class Port:
    """The gradient that arrives at one tensor: first it is read, then rules change it."""

    __slots__ = ("readers", "transforms", "version")

    def __init__(self, version: int) -> None:
        self.version = version
        self.readers: list[Reader] = []
        self.transforms: list[Transform] = []

    def __call__(self, gradient: Tensor) -> Tensor | None:
        """Let everyone see the gradient that arrives, and return what goes on."""
        for read in self.readers:
            read(gradient)
        if not self.transforms:
            return None
        for transform in self.transforms:
            gradient = transform(gradient)
        return gradient


class Pass:
    """One pass of the engine.

    Args:
        model: The model, to name modules in notes.
        device: Of the model.
        epsilon: Stabiliser of linear operations, 0 for the z rule.
        ledger: Keeps the accounts; the graph then begins at the inputs, else (None) at the first
            measured site.

    Attributes:
        mode: The function mode of this pass: rules that are made of ruled functions enter it again.
    """

    def __init__(
        self, model: nn.Module, device: torch.device, epsilon: float, ledger: Ledger | None
    ) -> None:
        self.epsilon = epsilon
        self.root = new_root(device)
        self.ledger = ledger
        self.notes: dict[tuple[str, str], dict[str, None]] = {}
        self.final: tuple[str, Tensor, Tensor] | None = None
        self.mode: AbstractContextManager[Any] = nullcontext()
        self._model = model
        self._module_names: dict[int, str] | None = None
        self._inputs: dict[int, tuple[Tensor, int]] = {}
        self._kept: dict[int, list[Kept]] = {}

    def begin(self, value: Any) -> Any:
        """Return a copy of an input (nested in lists, tuples, mappings) where the graph begins."""
        return copied(value, self._begin_tensor)

    def _begin_tensor(self, tensor: Tensor) -> Tensor:
        copy = _clone(tensor)
        if self.ledger is None or not copy.is_floating_point():
            return copy
        begun = self.begin_at(copy, "input")
        self._inputs[id(begun)] = (begun, begun._version)
        return begun

    def begin_at(self, tensor: Tensor, account: str) -> Tensor:
        """Let the graph begin at a tensor outside it (no view); `account` books what arrives."""
        begun = start(tensor, self.root)
        if self.ledger is not None:
            ledger, kept = self.ledger, self.keep(begun)
            self.port(begun).readers.append(lambda g: ledger.dot(account, g, kept.value))
        return begun

    def is_input(self, tensor: Tensor) -> bool:
        """Whether `tensor` is an input of the model that nothing has changed."""
        known = self._inputs.get(id(tensor))
        return known is not None and known[0] is tensor and known[1] == tensor._version

    def keep(self, tensor: Tensor) -> Kept:
        """Keep the present values of `tensor`, without a copy while nothing overwrites them."""
        kept = Kept(tensor.detach())
        self._kept.setdefault(_storage(tensor), []).append(kept)
        return kept

    def before_write(self, tensor: Tensor) -> None:
        """Save what was kept of the memory of `tensor`, which is about to be overwritten."""
        for kept in self._kept.pop(_storage(tensor), ()):
            kept.value = kept.value.clone()

    def kept_bytes(self) -> Mapping[int, int]:
        """Return the bytes of all memory kept so far, by address."""
        kept = (item.value for items in self._kept.values() for item in items)
        return {_storage(value): value.untyped_storage().nbytes() for value in kept}

    def write(self, target: Tensor, result: Tensor) -> Tensor:
        """Write `result` into `target`, as the in-place function that was called would have."""
        self.before_write(target)
        return target.copy_(result)

    def port(self, tensor: Tensor) -> Port:
        """Return the hook on `tensor` in its present state; it must belong to the graph."""
        port: Port | None = getattr(tensor, "_idc_port", None)
        if port is None or port.version != tensor._version:
            port = Port(tensor._version)
            tensor._idc_port = port  # type: ignore[attr-defined]
            tensor.register_hook(port)  # type: ignore[no-untyped-call]
        return port

    def note(self, function: str, place: str, what: str) -> None:
        """Keep for the report what happened at a function, and in which module."""
        self.notes.setdefault((function, what), {})[place] = None

    def place(self) -> str:
        """Return where in the model the running operation is: the innermost module, by name."""
        if self._module_names is None:
            self._module_names = {id(module): name for name, module in self._model.named_modules()}
        names = self._module_names
        frame = sys._getframe(1)
        while frame is not None:
            module = frame.f_locals.get("self")
            if isinstance(module, nn.Module) and id(module) in names:
                return names[id(module)] or type(module).__name__
            frame = frame.f_back  # type: ignore[assignment]
        return "the model"


def _clone(tensor: Tensor) -> Tensor:
    return tensor.detach().clone()


def copied(value: Any, copy: Callable[[Tensor], Tensor] = _clone) -> Any:
    """Return `value` with each tensor in nested lists, tuples and mappings copied by `copy`."""
    if isinstance(value, Tensor):
        return copy(value)
    if type(value) is dict:
        return {key: copied(item, copy) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(copied(item, copy) for item in value)
    return value


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def is_signal(value: Any) -> bool:
    """Whether `value` is a tensor through which relevance flows."""
    return isinstance(value, Tensor) and value.requires_grad and value.grad_fn is not None


def mark_gate(tensor: Any) -> None:
    """Note that `tensor` weights others: a sigmoid, a softmax, a statistic."""
    if isinstance(tensor, Tensor) and is_signal(tensor):
        tensor._idc_gate = tensor._version  # type: ignore[attr-defined]


def is_gate(tensor: Tensor) -> bool:
    """Whether `tensor` was marked as a gate and not changed since."""
    return bool(getattr(tensor, "_idc_gate", None) == tensor._version)
