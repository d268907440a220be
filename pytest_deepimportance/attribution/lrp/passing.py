"""The state of one forward and backward pass: starts, kept values, gradient hooks, notes."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from pytest_deepimportance.attribution.lrp.autograd import new_root, start
from pytest_deepimportance.attribution.lrp.choice import RuleChoice
from pytest_deepimportance.attribution.lrp.firstlayer import FirstLayer
from pytest_deepimportance.attribution.lrp.inputs import Inputs, mark_given
from pytest_deepimportance.attribution.lrp.ledger import Ledger
from pytest_deepimportance.attribution.lrp.linear_rules import LinearRule
from pytest_deepimportance.attribution.lrp.straight import StraightThrough
from pytest_deepimportance.attribution.lrp.surroundings import modules_around

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

    def __call__(self, gradient: Tensor | None) -> Tensor | None:
        """Let everyone see the gradient that arrives, and return what goes on."""
        if gradient is None:  # another result of the same function was used
            return None
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
        choice: Of the rules of linear operations.
        ledger: Keeps the accounts; the graph then begins at the inputs, else (None) at the first
            measured site.
        inputs: Collects the relevance of the inputs; needs a ledger.
    """

    def __init__(
        self,
        model: nn.Module,
        device: torch.device,
        choice: RuleChoice,
        ledger: Ledger | None,
        *,
        inputs: Inputs | None = None,
    ) -> None:
        self.choice = choice
        self.first_layer = FirstLayer() if choice.asks_first else None
        self.root = new_root(device)
        self.ledger = ledger
        self.notes: dict[tuple[str, str], dict[str, None]] = {}
        self.final: tuple[str, Tensor, Tensor] | None = None
        self.inputs = Inputs() if inputs is None else inputs
        self._model = model
        self._mode: Callable[[], AbstractContextManager[Any] | None] = lambda: None
        self.straight = StraightThrough()
        self._module_names: dict[int, str] | None = None
        self._kept: dict[int, list[Kept]] = {}

    @property
    def mode(self) -> AbstractContextManager[Any]:
        """The function mode of this pass: rules that are made of ruled functions enter it again."""
        return self._mode() or nullcontext()

    def follow(self, mode: AbstractContextManager[Any]) -> None:
        """Note the mode of this pass, now beginning; it holds the pass and is not held by it."""
        self._mode = weakref.ref(mode)
        self.straight = StraightThrough()

    def begin(self, value: Any) -> Any:
        """Return a copy of an input (nested in lists, tuples, mappings) where the graph begins."""
        return copied(value, self._begin_tensor)

    def _begin_tensor(self, tensor: Tensor) -> Tensor:
        copy = _clone(tensor)
        begins = self.ledger is not None and copy.is_floating_point()
        if begins:
            copy = start(copy, self.root)
        position = self.inputs.add(copy)
        if not begins:
            mark_given(copy)
        if begins and self.first_layer is not None:
            self.first_layer.add_input(copy)
        if begins:
            self._account_start(copy, "input", position)
        return copy

    def begin_at(self, tensor: Tensor, account: str) -> Tensor:
        """Let the graph begin at a tensor outside it (no view); `account` books what arrives."""
        begun = start(tensor, self.root)
        self._account_start(begun, account, None)
        return begun

    def begin_source(self, tensor: Tensor, given: Any) -> None:
        """Let the graph begin at what was looked up for integers among the arguments `given`."""
        position = self.inputs.read_by(given, tensor.shape[:-1])
        self._account_start(start(tensor, self.root), "input", position)

    def _account_start(self, begun: Tensor, account: str, position: int | None) -> None:
        ledger, inputs = self.ledger, self.inputs
        if ledger is None:
            return
        kept = self.keep(begun)
        port = self.port(begun)
        port.readers.append(lambda g: ledger.dot(account, g, kept.value))
        if inputs.wanted and position is not None:
            port.readers.append(lambda g: inputs.collect(position, g * kept.value))

    def ends_at(self, tensor: Tensor) -> bool:
        """Whether nothing is wanted of `tensor`, an input of the model, but its account."""
        return self.ledger is not None and not self.inputs.wanted and self.inputs.is_one(tensor)

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
            self.straight.way(tensor).register_hook(port)  # type: ignore[no-untyped-call]
        return port

    def note(self, function: str, place: str, what: str) -> None:
        """Keep for the report what happened at a function, and in which module."""
        self.notes.setdefault((function, what), {})[place] = None

    def end_forward(self) -> None:
        """Let go of the graph, whose hooks lead back to this pass: no collector sees that cycle."""
        self.first_layer = None
        self._kept.clear()  # nothing is overwritten any more
        self.inputs.leave_graph()
        self.straight.leave_graph()

    def rule_of(self, operation: str, tensor: Tensor) -> LinearRule:
        """Return the rule of a linear operation, called now, that reads the signal `tensor`."""
        if self.choice.everywhere is not None:
            return self.choice.everywhere
        first = self.first_layer is not None and self.first_layer.reads_input(tensor)
        return self.choice.of(operation, is_first=first)

    def place(self) -> str:
        """Return where in the model the running operation is: the innermost module, by name."""
        if self._module_names is None:
            self._module_names = {id(module): name for name, module in self._model.named_modules()}
        names = self._module_names
        around = modules_around(names)
        return (names[id(around[0])] or type(around[0]).__name__) if around else "the model"


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
