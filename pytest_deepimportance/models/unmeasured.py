"""What looks like a layer but cannot be measured, and why."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import nn

from pytest_deepimportance.models.functions import LINEAR, RECURRENT
from pytest_deepimportance.models.graph import Call, Graph, Operation, Value
from pytest_deepimportance.models.sitemap import Unmeasured

ATTENTION = "multi_head_attention_forward"
_NO_LAYER = (nn.Embedding, nn.EmbeddingBag)


def makes_neurons(op: Operation) -> bool:
    """Whether `op` is a layer called as a function: it combines a signal with weights."""
    if op.function in RECURRENT or op.function == ATTENTION:
        return True
    return op.function in LINEAR and _weight(op) is not None


def unmeasured(graph: Graph, layers: Collection[Call]) -> tuple[Unmeasured, ...]:
    """List what cannot be measured, in the order of the model's modules.

    Functional layers, recurrent cells, TorchScript, modules with parameters never called.

    Args:
        graph: The pass.
        layers: The calls that are measured.
    """
    found = _functional_layers(graph, layers)
    called = {call.module for call in graph.calls}
    scripted = ""
    for name, module in graph.root.module.named_modules():
        if scripted and name.startswith(scripted + "."):
            continue
        if isinstance(module, torch.jit.ScriptModule):
            scripted = name
            found[name] = _entry(name, module, "TorchScript: hooks never fire inside it")
        elif isinstance(module, nn.RNNCellBase):
            found[name] = _entry(name, module, "a recurrent cell: one call is one step of many")
        elif module not in called and name not in found and _has_weights(module):
            found[name] = _entry(name, module, _why_not_called(graph, module))
    order = {name: i for i, (name, _) in enumerate(graph.root.module.named_modules())}
    return tuple(sorted(found.values(), key=lambda item: order.get(item.name, -1)))


def _functional_layers(graph: Graph, layers: Collection[Call]) -> dict[str, Unmeasured]:
    found: dict[str, Unmeasured] = {}
    for op in graph.operations:
        if not makes_neurons(op) or op.function in RECURRENT or op.function == ATTENTION:
            continue
        inside_layer = any(call in layers for call in op.owner.chain())
        if inside_layer or not any(value.depends for value in op.inputs):
            continue
        item = _functional_layer(graph, op)
        found.setdefault(item.name, item)
    return found


def _functional_layer(graph: Graph, op: Operation) -> Unmeasured:
    weight = _weight(op)
    where = type(op.owner.module).__name__ + ".forward"
    named = weight.name if weight is not None else None
    if named is None:
        name = f"{op.owner.name}.{op.function}".lstrip(".")
        reason = f"{op.function}() in {where} uses weights that are not parameters of the model"
        return Unmeasured(name, op.function, reason)
    owner, _, parameter = named.rpartition(".")
    name = owner or parameter
    module = graph.root.module.get_submodule(owner)
    kind = type(module).__name__ if owner else "Parameter"
    called = any(call.module is module for call in graph.calls)
    reason = f"{op.function}() in {where} uses its weight as a function"
    if owner and not called:
        reason += "; the module itself is never called, so no hook fires"
    return Unmeasured(name, kind, reason)


def _why_not_called(graph: Graph, module: nn.Module) -> str:
    for call in graph.calls:
        if isinstance(call.module, nn.MultiheadAttention) and module in call.module.children():
            return (
                f"{type(call.module).__name__} {call.name} uses its weights in one function; "
                "the module itself is never called, so no hook fires"
            )
    return "never called in the forward pass that was probed"


def _weight(op: Operation) -> Value | None:
    """Return the weight operand of a linear function: what does not depend on the inputs."""
    operands = [value for value in op.inputs if len(value.shape) > 1 and value.floating]
    fixed = [value for value in operands if not value.depends]
    if not fixed or (len(fixed) == len(operands) and op.function not in LINEAR):
        return None
    named = [value for value in fixed if _origin(value) is not None]
    if not named:
        return fixed[0]
    return _origin(named[0])


def _origin(value: Value) -> Value | None:
    """Return the first parameter that a fixed value was computed from, if any."""
    while value.name is None:
        if value.producer is None:
            return None
        named = [v for v in value.producer.inputs if v.floating]
        if not named:
            return None
        value = named[0]
    return value


def _has_weights(module: nn.Module) -> bool:
    if isinstance(module, _NO_LAYER) or "norm" in type(module).__name__.lower():
        return False
    return any(parameter is not None for parameter in module._parameters.values())


def _entry(name: str, module: nn.Module, reason: str) -> Unmeasured:
    kind = getattr(module, "original_name", type(module).__name__)
    return Unmeasured(name, str(kind), reason)
