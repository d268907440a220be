"""What one traced forward pass did: values, operations and module calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

_NESTING = 6
"""Depth to which tensors are looked for in nested arguments."""

NOT_READING = frozenset({"detach", "data", "requires_grad", "retain_grad"})
"""Functions that look at a tensor without being part of what the model computes with it."""


@dataclass(eq=False)
class Value:
    """One tensor in one state: an in-place operation makes a new value of the same tensor.

    Attributes:
        order: Position in the pass; later values have larger numbers.
        shape: Its shape.
        floating: Whether it holds floating-point numbers.
        depends: Whether it depends on the model's inputs.
        name: Qualified name if it is a parameter or buffer of the model.
        producer: The operation that made it, None for inputs and constants.
        readers: Operations that take it, in order.
    """

    order: int
    shape: tuple[int, ...]
    floating: bool
    depends: bool
    name: str | None = None
    producer: Operation | None = None
    readers: list[Operation] = field(default_factory=list)


@dataclass(eq=False)
class Call:
    """One call of a module: its `number`-th within the pass, from 0.

    Attributes:
        inputs, outputs: Values of the tensors that entered and left.
        output: The value of the output if that is a single tensor, or the first of a recurrent
            layer's.
    """

    module: nn.Module
    name: str
    number: int
    parent: Call | None
    inputs: list[Value]
    outputs: list[Value] = field(default_factory=list)
    output: Value | None = None

    @property
    def label(self) -> str:
        """Name of the call: the module's, with `#n` for calls after the first."""
        return self.name if self.number == 0 else f"{self.name}#{self.number}"

    def chain(self) -> Iterator[Call]:
        """Yield the call and the calls around it, innermost first."""
        call: Call | None = self
        while call is not None:
            yield call
            call = call.parent


@dataclass(eq=False)
class Operation:
    """One call of a tensor function.

    Attributes:
        function: Its name in `models.functions`; "opaque" where torch shows nothing of it.
        func, args, kwargs: The call as torch saw it.
        inputs, outputs: Values read and made.
        owner: The innermost module call that it belongs to.
        occurrence: Its number among the calls of that function within `owner`, from 0.
    """

    function: str
    func: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    inputs: list[Value]
    outputs: list[Value]
    owner: Call
    occurrence: int

    @property
    def result(self) -> Value | None:
        """The value made, if it is exactly one."""
        return self.outputs[0] if len(self.outputs) == 1 else None


@dataclass(eq=False)
class Graph:
    """One traced forward pass.

    Attributes:
        calls: Module calls in the order in which they returned.
        operations: In execution order.
        outputs: Values among the tensors that the model returned.
        primary: Value of the main output (class scores), if it was followed.
        rows: Rows of the traced batch.
        choice: Which of several tensors is the main output, in words; empty where there is one.
    """

    rows: int
    root: Call
    calls: list[Call] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)
    primary: Value | None = None
    choice: str = ""

    def readers(self, value: Value) -> list[Operation]:
        """Return what reads `value`: neither detached copies nor results nobody uses count."""
        return [op for op in value.readers if op.function not in NOT_READING and self._used(op)]

    def calls_returning(self, value: Value) -> list[Call]:
        """Return the module calls whose output is exactly `value`, innermost first."""
        return [call for call in self.calls if call.output is value]

    def ancestors(self, values: list[Value]) -> set[Value]:
        """Return `values` and every value that they were computed from."""
        found: set[Value] = set()
        pending = list(values)
        while pending:
            value = pending.pop()
            if value in found:
                continue
            found.add(value)
            if value.producer is not None:
                pending.extend(value.producer.inputs)
        return found

    def release(self) -> None:
        """Let go of tensors and modules at once: values and operations refer to each other."""
        for op in self.operations:
            op.args, op.kwargs, op.func = (), {}, None
            for value in (*op.inputs, *op.outputs):
                value.readers.clear()
                value.producer = None
        self.operations.clear()
        self.calls.clear()

    def _used(self, op: Operation) -> bool:
        """Whether a bookkeeping operation (a view of changed memory) matters to anything later."""
        return op.function != "alias" or any(
            self.readers(out) or out in self.outputs for out in op.outputs
        )


def tensors_in(value: Any, depth: int = _NESTING) -> Iterator[Tensor]:
    """Yield the tensors in nested tuples, lists, mappings and objects with plain attributes."""
    if isinstance(value, Tensor):
        yield value
    elif depth == 0 or value is None or isinstance(value, (str, bytes, int, float, nn.Module)):
        return
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors_in(item, depth - 1)
    elif isinstance(value, (tuple, list, set, frozenset)):
        for item in value:
            yield from tensors_in(item, depth - 1)
    elif hasattr(value, "__dataclass_fields__"):
        for item in vars(value).values():
            yield from tensors_in(item, depth - 1)
