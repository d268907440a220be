"""One table of tensor functions: a name for every spelling, and a callable for every name.

`F.relu(x)`, `torch.relu(x)`, `x.relu()`, `x.relu_()` and `F.relu(x, inplace=True)` are all "relu".
A name can be stored in a profile and applied to a copy of a tensor later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Arguments = tuple[tuple[str, Any], ...]
"""Arguments of a function after the tensor, by name; JSON-ready."""

_PARAMETERS: dict[str, tuple[str, ...]] = {
    "relu": ("inplace",),
    "relu6": ("inplace",),
    "leaky_relu": ("negative_slope", "inplace"),
    "elu": ("alpha", "inplace"),
    "selu": ("inplace",),
    "celu": ("alpha", "inplace"),
    "gelu": ("approximate",),
    "silu": ("inplace",),
    "mish": ("inplace",),
    "hardswish": ("inplace",),
    "hardsigmoid": ("inplace",),
    "hardtanh": ("min_val", "max_val", "inplace"),
    "sigmoid": (),
    "tanh": (),
    "softplus": ("beta", "threshold"),
    "softsign": (),
    "logsigmoid": (),
    "tanhshrink": (),
    "hardshrink": ("lambd",),
    "softshrink": ("lambd",),
    "rrelu": ("lower", "upper", "training", "inplace"),
    "threshold": ("threshold", "value", "inplace"),
    "prelu": ("weight",),
    "clamp": ("min", "max"),
    "clamp_min": ("min",),
    "clamp_max": ("max",),
    "sin": (),
}

_OTHER_SPELLINGS: dict[str, tuple[str, ...]] = {
    "sigmoid": ("expit", "special_expit"),
    "logsigmoid": ("log_sigmoid",),
    "threshold": ("_threshold",),
    "clamp": ("clip",),
    "add": ("__add__", "__radd__", "__iadd__"),
    "sub": ("subtract", "rsub", "__sub__", "__rsub__", "__isub__"),
    "mul": ("multiply", "__mul__", "__rmul__", "__imul__"),
    "div": (
        "divide", "true_divide", "__truediv__", "__rtruediv__", "__itruediv__", "__div__",
        "__rdiv__", "__idiv__",
    ),
    "batch_norm": ("native_batch_norm",),
    "layer_norm": ("native_layer_norm",),
    "group_norm": ("native_group_norm",),
    "matmul": ("__matmul__", "__rmatmul__"),
    "pow": ("__pow__", "__rpow__", "__ipow__", "float_power"),
    "dropout": (
        "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_dropout",
        "feature_alpha_dropout", "native_dropout",
    ),
    "lstm": ("lstm_cell", "quantized_lstm"),
    "gru": ("gru_cell",),
    "rnn_tanh": ("rnn_tanh_cell", "rnn_relu", "rnn_relu_cell"),
}  # fmt: skip

ACTIVATIONS = frozenset(_PARAMETERS)
"""Names of the element-wise activations."""

NORMS = frozenset({"batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm"})
ARITHMETIC = frozenset({"add", "sub", "mul", "div"})
RECURRENT = frozenset({"lstm", "gru", "rnn_tanh"})
LINEAR = frozenset(
    {"linear", "bilinear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d"}
    | {"conv_transpose3d", "matmul", "mm", "bmm", "addmm", "baddbmm", "einsum", "tensordot", "mv"}
)
"""Functions that make new neurons when one operand is a weight."""

_NAMED = (
    ACTIVATIONS | NORMS | ARITHMETIC | RECURRENT | LINEAR
    | {"dropout", "pow", "softmax", "log_softmax", "clone", "contiguous"}
)  # fmt: skip
_HOMES = (F, torch, torch.special, torch._C._nn, torch._C._VariableFunctions)


def _spelled(name: str) -> Iterable[Any]:
    for stem in (name, *_OTHER_SPELLINGS.get(name, ())):
        for text in (stem, stem + "_"):
            for home in (*_HOMES, Tensor, torch._C.TensorBase):
                found = getattr(home, text, None)
                if callable(found):
                    yield found


_STEMS = {stem: name for name in sorted(_NAMED) for stem in (name, *_OTHER_SPELLINGS.get(name, ()))}
_SPELLINGS: dict[str, frozenset[Any]] = {name: frozenset(_spelled(name)) for name in _NAMED}
_NAMES: dict[Any, str] = {func: name for name, funcs in _SPELLINGS.items() for func in funcs}


def spellings(name: str) -> frozenset[Callable[..., Any]]:
    """Return every callable that is called `name` here: functional, method, in-place, operator.

    The operators that exported programs call (`torch.ops.aten`) are among them.

    Raises:
        KeyError: The table has no such name.
    """
    found = set(_SPELLINGS[name])
    for stem in (name, *_OTHER_SPELLINGS.get(name, ())):
        for text in (stem, stem + "_"):
            packet = getattr(torch.ops.aten, text, None)
            for overload in [] if packet is None else packet.overloads():
                found.add(getattr(packet, overload))
    return frozenset(found)


def name_of(func: Any) -> str:
    """Return the table's name of `func`, else its own name without the in-place underscore.

    A property getter (such as `Tensor.T`) has the name of the property.
    """
    try:
        known = _NAMES.get(func)
    except TypeError:  # an unhashable callable is no spelling of ours
        known = None
    if known is not None:
        return known
    if isinstance(func, torch._ops.OpOverload):
        text = func._schema.name.rpartition("::")[2].rstrip("_")
        return _STEMS.get(text, text)
    text = str(getattr(func, "__name__", type(func).__name__))
    if text in ("__get__", "__set__"):
        return str(getattr(getattr(func, "__self__", None), "__name__", text))
    return text if text.startswith("_") else text.rstrip("_")


def recorded_arguments(
    name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Arguments | None:
    """Return an activation call's arguments after its tensor, None if they are no plain data.

    Args:
        name: Name of the activation.
        args, kwargs: As the function was called, the tensor first.
    """
    order = _PARAMETERS[name]
    given = args[1:]
    if len(given) > len(order):
        return None
    named = dict(zip(order, given, strict=False)) | {
        key: value for key, value in kwargs.items() if key not in ("input", "self")
    }
    named.pop("inplace", None)
    if any(not isinstance(value, (bool, int, float, str, type(None))) for value in named.values()):
        return None
    return tuple(sorted(named.items()))


def apply(name: str, tensor: Tensor, arguments: Arguments = ()) -> Tensor:
    """Apply an element-wise activation out of place; the tensor's shape is kept.

    Raises:
        KeyError: `name` is not an activation of the table.
    """
    return _CALLABLES[name](tensor, **dict(arguments))


def _callable(name: str) -> Callable[..., Tensor]:
    found: Callable[..., Tensor] | None = getattr(F, name, None) or getattr(torch, name)
    assert found is not None
    return found


_CALLABLES: dict[str, Callable[..., Tensor]] = {name: _callable(name) for name in ACTIVATIONS}
# F.sigmoid and F.tanh are kept by torch for old code only.
_CALLABLES["sigmoid"], _CALLABLES["tanh"] = torch.sigmoid, torch.tanh
