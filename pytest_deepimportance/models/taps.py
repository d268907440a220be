"""Where a layer's neurons are read: from its output to the activation that reads it.

From the output t of a layer:

1. readers of t are the operations that take it (shape queries and `detach` do not count);
2. while the only reader is a per-channel step, t is its result;
3. if a reader is an element-wise activation, the site is the result of the first one (other kinds
   of reader: flagged "branches");
4. if the only reader is an add of equal shapes whose sum goes, after step 2, to an activation, the
   site is that result, one for all layers that feed the add;
5. otherwise the site is t.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from pytest_deepimportance.models.graph import Call, Graph, Operation, Value
from pytest_deepimportance.models.layers import channel_axis, is_packed
from pytest_deepimportance.models.steps import (
    Spot,
    cross,
    is_activation,
    is_arrangement,
    is_residual_add,
    wrapped,
)


@dataclass(frozen=True)
class Activation:
    """The activation that a site lies after: a function call, or a whole module call."""

    result: Value
    operation: Operation | None
    branches: bool


@dataclass(frozen=True)
class Tap:
    """Where one layer call is read.

    Attributes:
        layer: The layer's call.
        kind: Its type, such as "Linear".
        spot: The site's tensor (tap "post").
        before: The layer's own output, or the sum if the layer is read after a residual add.
        activation: What `spot` lies after, None if nothing.
        added: Whether an add was crossed.
    """

    layer: Call
    kind: str
    spot: Spot
    before: Value
    activation: Activation | None
    added: bool


def tap_of(graph: Graph, layer: Call, kind: str) -> Tap:
    """Apply the rule to one layer call whose output is a single tensor."""
    assert layer.output is not None
    start = Spot(layer.output, channel_axis(layer, kind), None)
    rows = _row_axis(graph, start)
    if isinstance(layer.module, nn.RNNBase):
        rows = _recurrent_rows(graph, layer, layer.module)
    start = Spot(start.value, start.axis, rows)
    if is_packed(layer):  # its rows are tokens until they are unpacked
        return Tap(layer, kind, start, start.value, None, False)
    spot, settled = _cross_steps(graph, start)
    activation = _activation(graph, spot.value)
    if activation is not None:
        after = Spot(activation.result, spot.axis, spot.rows)
        return Tap(layer, kind, after, start.value, activation, False)
    total = _sum(graph, spot)
    if total is not None:
        end, _ = _cross_steps(graph, total)
        activation = _activation(graph, end.value)
        if activation is not None:
            after = Spot(activation.result, end.axis, end.rows)
            return Tap(layer, kind, after, total.value, activation, True)
    return Tap(layer, kind, settled, start.value, None, False)


def _cross_steps(graph: Graph, spot: Spot) -> tuple[Spot, Spot]:
    """Cross per-channel steps; also return where the last spot's numbers are best read.

    Steps that only arrange leave every number as it is: of the spots before and after them, the
    first that is some module's output is read, since a hook there is cheap.
    """
    alike = [spot]
    while True:
        step = _step(graph, spot)
        if step is None:
            returned = [
                item
                for item in alike
                if any(call is not graph.root for call in graph.calls_returning(item.value))
            ]
            return spot, (returned or alike)[0]
        spot, arranged = step
        alike = [*alike, spot] if arranged else [spot]


def _step(graph: Graph, spot: Spot) -> tuple[Spot, bool] | None:
    """Return the spot after a per-channel step that is the only reader, and if it only arranges."""
    readers = graph.readers(spot.value)
    if not readers or spot.value in graph.outputs:
        return None
    step = cross(readers[0], spot) if len(readers) == 1 else None
    if step is not None:
        return step, is_arrangement(readers[0])
    if not is_activation(readers[0], spot.value):
        whole = wrapped(graph, spot.value, readers)
        if whole is not None and whole[0] == "norm" and whole[1].output is not None:
            return Spot(whole[1].output, spot.axis, spot.rows), False
    return None


def _activation(graph: Graph, value: Value) -> Activation | None:
    readers = graph.readers(value)
    if not readers:
        return None
    kinds = {op.function for op in readers} | ({"output"} if value in graph.outputs else set())
    if len(readers) > 1 or not is_activation(readers[0], value):
        whole = wrapped(graph, value, readers)
        if whole is not None and whole[0] == "activation" and whole[1].output is not None:
            return Activation(whole[1].output, None, False)
    for op in readers:
        if is_activation(op, value) and op.result is not None:
            return Activation(op.result, op, len(kinds) > 1)
    return None


def _sum(graph: Graph, spot: Spot) -> Spot | None:
    readers = graph.readers(spot.value)
    if len(readers) != 1 or spot.value in graph.outputs or not is_residual_add(readers[0]):
        return None
    result = readers[0].result
    return None if result is None else Spot(result, spot.axis, spot.rows)


def _recurrent_rows(graph: Graph, layer: Call, module: nn.RNNBase) -> int | None:
    """Return the axis of the inputs, which the layer knows; a packed sequence is unpacked first."""
    if is_packed(layer):
        return 0
    assert layer.output is not None
    shape, axis = layer.output.shape, 0 if module.batch_first else 1
    return axis if len(shape) == 3 and shape[axis] == graph.rows else None


def _row_axis(graph: Graph, spot: Spot) -> int | None:
    """Return the axis of the inputs: the first, or the only other one of the batch's size."""
    if not spot.value.depends:
        return None
    fits = [
        axis
        for axis, size in enumerate(spot.value.shape)
        if axis != spot.axis and size == graph.rows
    ]
    if 0 in fits:
        return 0
    return fits[0] if len(fits) == 1 else None
