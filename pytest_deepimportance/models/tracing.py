"""Follow the tensors of one forward pass, through module calls and functions alike.

A `torch.overrides.TorchFunctionMode` sees every call of a torch function, module hooks who calls.
Nothing of torch or of the model is patched; the hooks are gone when the pass ends.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.data.outputs import choice_note, class_scores, scores_key
from pytest_deepimportance.models.functions import name_of
from pytest_deepimportance.models.graph import Call, Graph, Operation, Value, tensors_in


def trace(model: nn.Module, call: ModelCall, output: Callable[[Any], Any] | None = None) -> Graph:
    """Run `model` on `call` once and return what it did.

    The caller chooses mode, gradients and random state; an exception of the model passes through.

    Args:
        output: Callable that turns the model's output into class scores; it is followed too.
    """
    tracer = _Tracer(model, call)
    with tracer.hooked(model), _TracingMode(tracer):
        returned = model(*call.args, **call.kwargs)
        scores = None if output is None else class_scores(returned, output)
    graph = tracer.finish(returned, scores)
    graph.choice = choice_note(returned) if output is None else ""
    return graph


def main_output(output: Any) -> Tensor | None:
    """Return the tensor among a model's outputs that holds its scores: logits, else the first."""
    if isinstance(output, Tensor):
        return output
    if isinstance(output, Mapping):
        logits = output.get(scores_key(output))
    else:
        logits = getattr(output, "logits", None)
    if isinstance(logits, Tensor):
        return logits
    return next((t for t in tensors_in(output) if t.is_floating_point()), None)


class _TracingMode(TorchFunctionMode):
    def __init__(self, tracer: _Tracer) -> None:
        super().__init__()
        self._tracer = tracer

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        taken = [*tensors_in(args), *tensors_in(kwargs)]
        before = [_version(tensor) for tensor in taken]
        result = func(*args, **kwargs)
        self._tracer.operation(func, args, kwargs, result, taken, before)
        return result


class _Tracer:
    """Keeps every tensor of the pass alive, so that identities stay unique; names their states."""

    def __init__(self, model: nn.Module, call: ModelCall) -> None:
        self._thread = threading.get_ident()
        self._names = {
            id(tensor): name for name, tensor in [*model.named_parameters(), *model.named_buffers()]
        }
        self._kept: dict[int, Tensor] = {}
        self._values: dict[int, Value] = {}
        self._storages: dict[int, list[int]] = {}
        self._changed: dict[int, Value] = {}
        self._order = 0
        self._numbers: Counter[str] = Counter()
        self._occurrences: Counter[tuple[Call, str]] = Counter()
        inputs = [self._new(t, depends=True) for t in tensors_in((call.args, call.kwargs))]
        root = Call(model, "", 0, None, inputs)
        self._stack = [root]
        self._graph = Graph(call.rows, root)

    @contextmanager
    def hooked(self, model: nn.Module) -> Iterator[None]:
        """Put hooks on every module that they work on, and leave none behind."""
        with ExitStack() as stack:
            for name, module in model.named_modules():
                if name == "" or isinstance(module, torch.jit.ScriptModule):
                    continue
                for handle in (
                    module.register_forward_pre_hook(self._enter(name), with_kwargs=True),
                    module.register_forward_hook(self._leave, always_call=True),
                ):
                    stack.callback(handle.remove)
            yield

    def finish(self, output: Any, scores: Tensor | None = None) -> Graph:
        """Close the root call and return the graph.

        Args:
            scores: The class scores, where a callable made them of the output.
        """
        graph, root = self._graph, self._graph.root
        graph.outputs = root.outputs = [self._value(tensor) for tensor in tensors_in(output)]
        followed = scores is not None and self._value(scores).depends
        main = scores if followed else main_output(output)
        graph.primary = None if main is None else self._value(main)
        root.output = graph.primary if isinstance(output, Tensor) else None
        graph.calls.append(root)
        return graph

    def operation(
        self,
        func: Any,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        result: Any,
        taken: list[Tensor],
        before: list[int],
    ) -> None:
        """Note one call of a torch function, unless it made or changed no tensor."""
        if threading.get_ident() != self._thread:
            return
        taken_ids = {id(t) for t in taken}
        made = [
            t for t in tensors_in(result) if id(t) not in taken_ids and id(t) not in self._values
        ]
        changed = [
            t
            for t, old in zip(taken, before, strict=True)
            if old != _version(t) or (t is result and t.is_inference() and _in_place(func, kwargs))
        ]
        if not made and not changed:
            return
        function, owner = name_of(func), self._stack[-1]
        inputs = self._present(taken)
        op = Operation(function, func, args, kwargs, inputs, [], owner, 0)
        self._record(op, [*made, *changed])
        if is_countable(result):
            op.occurrence = self._occurrences[owner, function]
            self._occurrences[owner, function] += 1

    def _enter(self, name: str) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            if threading.get_ident() != self._thread:
                return
            inputs = self._present([*tensors_in((args, kwargs))])
            self._stack.append(Call(module, name, self._numbers[name], self._stack[-1], inputs))
            self._numbers[name] += 1

        return hook

    def _leave(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if threading.get_ident() != self._thread:
            return
        call = self._stack.pop()
        unknown = [t for t in tensors_in(output) if id(t) not in self._values]
        if unknown:  # a custom autograd function, an extension: torch shows nothing of it
            op = Operation("opaque", None, (), {}, call.inputs, [], call, 0)
            self._record(op, unknown)
        call.outputs = [self._value(t) for t in tensors_in(output)]
        call.output = self._value(output) if isinstance(output, Tensor) else None
        if isinstance(module, nn.RNNBase) and call.outputs:
            call.output = call.outputs[0]  # before the last states; the data of a PackedSequence
        self._graph.calls.append(call)

    def _record(self, op: Operation, made: list[Tensor], *, spreads: bool = True) -> None:
        depends = any(value.depends for value in op.inputs)
        for value in op.inputs:
            value.readers.append(op)
        seen: set[int] = set()
        for tensor in made:
            if id(tensor) in seen:
                continue
            seen.add(id(tensor))
            is_change = spreads and id(tensor) in self._values
            value = self._new(tensor, depends=depends, producer=op)
            op.outputs.append(value)
            if is_change:
                for other in self._storages.get(_storage(tensor), ()):
                    if other != id(tensor):
                        self._changed[other] = value
        self._graph.operations.append(op)

    def _present(self, tensors: list[Tensor]) -> list[Value]:
        """Return the present values of an operation's arguments, each once."""
        known = {self._values[id(t)] for t in tensors if id(t) in self._values}
        return list(dict.fromkeys(self._value(tensor, known) for tensor in tensors))

    def _value(self, tensor: Tensor, beside: AbstractSet[Value] = frozenset()) -> Value:
        """Return the present value of `tensor`, an argument beside others."""
        key = id(tensor)
        change = self._changed.pop(key, None)
        if change is not None:  # memory it shares was written through another tensor
            inputs = [self._values[key], change]
            op = Operation("alias", None, (), {}, inputs, [], self._stack[-1], 0)
            self._record(op, [tensor], spreads=False)
        if key not in self._values:
            return self._unknown(tensor, beside)
        return self._values[key]

    def _unknown(self, tensor: Tensor, beside: AbstractSet[Value]) -> Value:
        """Name a tensor that no traced operation made: a parameter, a constant, or hidden work.

        A floating tensor with one entry per row was computed out of sight (TorchScript, numpy):
        it is linked to the values that nobody has read so far.
        """
        name = self._names.get(id(tensor))
        hidden = name is None and tensor.is_floating_point() and tensor.dim() > 1
        if not hidden or tensor.shape[0] != self._graph.rows:
            return self._new(tensor, depends=False, name=name)
        waiting = [
            value
            for value in self._values.values()
            if value.depends and value.floating and not value.readers and value not in beside
        ]
        if not waiting:
            return self._new(tensor, depends=False)
        op = Operation("opaque", None, (), {}, waiting, [], self._stack[-1], 0)
        self._record(op, [tensor])
        return self._values[id(tensor)]

    def _new(
        self,
        tensor: Tensor,
        *,
        depends: bool,
        name: str | None = None,
        producer: Operation | None = None,
    ) -> Value:
        self._order += 1
        value = Value(
            self._order, _shape(tensor), tensor.is_floating_point(), depends, name, producer
        )
        key = id(tensor)
        if key not in self._kept:
            self._kept[key] = tensor
            storage = _storage(tensor)
            if storage:
                self._storages.setdefault(storage, []).append(key)
        self._values[key] = value
        self._changed.pop(key, None)
        return value


def is_countable(result: Any) -> bool:
    """Whether a function's result counts when calls are numbered: no statistics, no flags."""
    return isinstance(result, Tensor) and result.dim() > 1 and result.is_floating_point()


def _in_place(func: Any, kwargs: Mapping[str, Any]) -> bool:
    name = str(getattr(func, "__name__", ""))
    return bool(kwargs.get("inplace")) or (name.endswith("_") and not name.endswith("__"))


def _version(tensor: Tensor) -> int:
    try:
        return tensor._version
    except RuntimeError:  # inference tensors keep no count
        return 0


def _shape(tensor: Tensor) -> tuple[int, ...]:
    try:
        return tuple(tensor.shape)
    except RuntimeError:  # nested tensors have no single shape
        return ()


def _storage(tensor: Tensor) -> int:
    try:
        return tensor.untyped_storage().data_ptr()
    except (NotImplementedError, RuntimeError):  # sparse, nested or fake tensors
        return 0
