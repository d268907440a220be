"""What an operation does to a layer's neurons: cross it, read it, or stop.

The rule that uses this is applied by `models.taps`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pytest_deepimportance.models.functions import ACTIVATIONS, ARITHMETIC, NORMS
from pytest_deepimportance.models.graph import Call, Graph, Operation, Value

COPIES = frozenset(
    {"clone", "contiguous", "to", "float", "double", "half", "bfloat16", "type", "type_as", "cuda"}
    | {"cpu", "dropout", "alias", "requires_grad"}
)
"""Functions whose result holds the same numbers in the same places."""

LAYOUTS = frozenset(
    {"permute", "transpose", "t", "T", "mT", "H", "mH", "swapaxes", "swapdims", "movedim"}
    | {"moveaxis", "reshape", "view", "view_as", "reshape_as", "flatten", "unflatten", "ravel"}
    | {"squeeze", "unsqueeze", "__getitem__"}
)
"""Functions that only arrange: crossed where the channel axis and the rows stay whole."""

_ELEMENT_WISE = (
    ACTIVATIONS | ARITHMETIC | COPIES
    | {"pow", "exp", "expm1", "exp2", "log", "log1p", "log2", "sqrt", "rsqrt", "abs", "neg"}
    | {"square", "reciprocal", "erf", "special_erf", "cos", "tan", "sinh", "cosh", "atan", "sign"}
    | {"where", "maximum", "minimum", "ge", "gt", "le", "lt", "eq", "ne", "logaddexp", "detach"}
    | {"zeros_like", "ones_like", "negative", "masked_fill", "logical_not", "lerp", "addcmul"}
)  # fmt: skip
_STRAIGHT = COPIES | {"add", "sub", "neg", "negative", "detach", "zeros_like", "ones_like"}
_ACTIVATION_CLASS = re.compile(
    r"(?i)relu|gelu|swish|silu|mish|[^a-z]?elu$|sigmoid|tanh|activation|softplus|softsign"
)
_WEIGHTED = (nn.Linear, nn.modules.conv._ConvNd, nn.Bilinear, nn.RNNBase, nn.Embedding)


@dataclass(frozen=True)
class Spot:
    """A layer's neurons in one tensor of the pass.

    Attributes:
        value: The tensor.
        axis: Axis of the neurons.
        rows: Axis along which the inputs are, None where its rows are not the inputs.
    """

    value: Value
    axis: int
    rows: int | None


def cross(op: Operation, spot: Spot) -> Spot | None:
    """Return where the neurons are after a per-channel step, None if `op` is none."""
    result = op.result
    if result is None or not op.inputs:
        return None
    if op.function in LAYOUTS:
        return _arranged(op, spot, result)
    if result.shape != spot.value.shape:
        return None
    if op.function in COPIES:
        crossed = True
    elif op.function in NORMS:
        crossed = op.inputs[0] is spot.value
    else:
        crossed = op.function in ARITHMETIC and _scales_or_shifts(op, spot.value)
    return Spot(result, spot.axis, spot.rows) if crossed else None


def is_arrangement(op: Operation) -> bool:
    """Whether `op` leaves every number as it is, so that reading before it is the same."""
    return op.function in LAYOUTS or op.function in COPIES


def is_activation(op: Operation, value: Value) -> bool:
    """Whether `op` is an element-wise activation applied to `value`."""
    result = op.result
    return (
        op.function in ACTIVATIONS
        and result is not None
        and bool(op.inputs)
        and op.inputs[0] is value
        and result.shape == value.shape
    )


def is_residual_add(op: Operation) -> bool:
    """Whether `op` adds two signals of equal shape."""
    result = op.result
    signals = [value for value in op.inputs if value.depends]
    return (
        op.function == "add"
        and result is not None
        and len(signals) == 2
        and all(value.shape == result.shape for value in signals)
    )


def wrapped(graph: Graph, value: Value, readers: list[Operation]) -> tuple[str, Call] | None:
    """Return the module call that is one step or activation as a whole, written by hand.

    A normalisation or activation module such as `x * sigmoid(x)` reads its input several times;
    from outside it is one operation.

    Returns:
        ("norm" or "activation", the outermost such call), None if there is none.
    """
    found = None
    for call in readers[0].owner.chain():
        if value not in call.inputs or call.output is None:
            continue
        if [v for v in call.inputs if v.depends] != [value] or call.output.shape != value.shape:
            continue
        inside = [op for op in graph.operations if call in op.owner.chain()]
        if not all(op in inside for op in readers):
            continue
        kind = _kind(call, value, inside)
        found = (kind, call) if kind else found
    return found


def _kind(call: Call, value: Value, inside: list[Operation]) -> str | None:
    if any(isinstance(module, _WEIGHTED) for module in call.module.modules()):
        return None
    name = type(call.module).__name__
    if re.search(r"(?i)norm", name):
        return "norm"
    hidden = bool(_ACTIVATION_CLASS.search(name))
    if not all(
        (op.function in _ELEMENT_WISE or (op.function == "opaque" and hidden))
        and all(out.shape == value.shape or not out.depends for out in op.outputs)
        for op in inside
    ):
        return None
    return "activation" if any(_bends(op) for op in inside) else None


def _bends(op: Operation) -> bool:
    """Whether an element-wise operation is not linear in what depends on the inputs."""
    if op.function in ("mul", "div"):
        return sum(value.depends for value in op.inputs) > 1 or (
            op.function == "div" and not _scales_or_shifts(op, op.inputs[0])
        )
    return op.function not in _STRAIGHT and any(value.depends for value in op.inputs)


def _scales_or_shifts(op: Operation, value: Value) -> bool:
    if any(other.depends for other in op.inputs if other is not value):
        return False
    if op.function != "div":
        # Adding a tensor to itself is still a scale; multiplying it by itself is not.
        return op.function != "mul" or sum(t is op.args[0] for t in op.args) < 2
    divides = str(getattr(op.func, "__name__", "")).startswith("__r")
    return op.inputs[0] is value and not divides and sum(t is op.args[0] for t in op.args) < 2


def _arranged(op: Operation, spot: Spot, result: Value) -> Spot | None:
    """Replay a layout operation on tensors of channel and row numbers and see where they go."""
    if [value for value in op.inputs if value.depends] != [spot.value]:
        return None
    axis = _moved(op, spot.value.shape, spot.axis, result.shape)
    if axis is None or spot.rows is None:
        return None if axis is None else Spot(result, axis, None)
    rows = _moved(op, spot.value.shape, spot.rows, result.shape, besides=axis)
    return None if rows is None else Spot(result, axis, rows)


def _moved(
    op: Operation,
    shape: tuple[int, ...],
    axis: int,
    new_shape: tuple[int, ...],
    besides: int | None = None,
) -> int | None:
    size = shape[axis]
    numbers = _along(torch.arange(size), axis, shape).clone()
    try:
        moved = op.func(numbers, *op.args[1:], **_without_tensor(op))
    except Exception:  # a call that only works on the original tensor is not crossed
        return None
    if not isinstance(moved, Tensor) or tuple(moved.shape) != new_shape:
        return None
    if moved.numel() != numbers.numel():
        return None
    fits = [
        a
        for a in range(moved.dim())
        if a != besides
        and moved.shape[a] == size
        and torch.equal(moved, _along(torch.arange(size), a, new_shape))
    ]
    return min(fits, key=lambda a: abs(a - axis)) if fits else None


def _without_tensor(op: Operation) -> dict[str, object]:
    return {key: value for key, value in op.kwargs.items() if key not in ("input", "self")}


def _along(numbers: Tensor, axis: int, shape: Iterable[int]) -> Tensor:
    """Return `numbers` laid along `axis` of a tensor of `shape`."""
    full = tuple(shape)
    view = [1] * len(full)
    view[axis] = -1
    return numbers.view(view).expand(full)
