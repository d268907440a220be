"""How a tensor of the traced pass is found again in later passes, and what it is called."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from torch import nn

from pytest_deepimportance.models.functions import ACTIVATIONS, recorded_arguments
from pytest_deepimportance.models.graph import Call, Graph, Operation, Value
from pytest_deepimportance.models.sitemap import Reading


def reading_of(graph: Graph, value: Value) -> Reading:
    """Return the cheapest exact way to read `value`.

    A module's output is read by a hook; a functional activation of a module's output by the same
    hook and the function; anything else where the function is called. A module that only passes
    the value through (a dropout, in eval mode) comes after the activation, since it may do more in
    train mode.
    """
    direct = [call for call in graph.calls_returning(value) if call is not graph.root]
    makers = [call for call in direct if value not in call.inputs]
    if makers:
        return _at_module(makers[0])
    op = value.producer
    assert op is not None
    return _recomputed(graph, op) or (_at_module(direct[0]) if direct else function_reading(op))


def _recomputed(graph: Graph, op: Operation) -> Reading | None:
    """Return the reading of an activation as a function of a module's output."""
    if op.function not in ACTIVATIONS:
        return None
    source = module_reading(graph, op.inputs[0])
    arguments = recorded_arguments(op.function, op.args, op.kwargs)
    if source is None or arguments is None:
        return None
    return replace(source, function=op.function, arguments=arguments)


def module_reading(graph: Graph, value: Value) -> Reading | None:
    """Return the reading of `value` as a module's output, None if it is none.

    The root does not count: its return ends the pass.
    """
    call = call_returning(graph, value)
    return None if call is None else _at_module(call)


def _at_module(call: Call) -> Reading:
    item = 0 if isinstance(call.module, nn.RNNBase) else None
    return Reading("module", call.name, call.number, item=item)


def function_reading(op: Operation) -> Reading:
    """Return the reading of an operation's result at the call of the function."""
    owner = op.owner
    return Reading("function", owner.name, owner.number, op.function, op.occurrence)


def functional_names(graph: Graph) -> dict[Operation, str]:
    """Name each functional activation `owner.function`, with `#n` from the second on.

    A name that a module has already gets "()" appended.
    """
    modules = {name for name, _ in graph.root.module.named_modules()}
    seen: Counter[str] = Counter()
    names: dict[Operation, str] = {}
    for op in graph.operations:
        if op.function not in ACTIVATIONS:
            continue
        name = f"{op.owner.name}.{op.function}".lstrip(".")
        name = f"{name}()" if name in modules else name
        names[op] = name if seen[name] == 0 else f"{name}#{seen[name]}"
        seen[name] += 1
    return names


def activation_name(
    graph: Graph, result: Value, op: Operation | None, names: dict[Operation, str]
) -> str:
    """Return the name of an activation: its module call's, else that of the function call.

    Args:
        graph: The pass.
        result: What the activation returned.
        op: The function call, None for a module that is one activation as a whole.
        names: From `functional_names`.
    """
    for call in graph.calls_returning(result):
        if call is not graph.root and (op is None or op.inputs[0] in call.inputs):
            return call.label
    return names[op] if op is not None else ""


def call_returning(graph: Graph, value: Value) -> Call | None:
    """Return the innermost module call below the root whose output is `value`."""
    calls = [call for call in graph.calls_returning(value) if call is not graph.root]
    return calls[0] if calls else None
