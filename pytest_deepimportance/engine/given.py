"""Activations as users give them, turned into batches, or refused in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_deepimportance.data.activations import UNKNOWN, ActivationBatch
from pytest_deepimportance.data.batches import ModelCall, describe
from pytest_deepimportance.data.digests import row_digests
from pytest_deepimportance.data.layer_values import LayerValues
from pytest_deepimportance.errors import BatchError, LayerError
from pytest_deepimportance.formatting import listed, plural

Layers = Mapping[str, Any]


def as_batch(
    layers: Layers, predictions: Any, labels: Any, what: str
) -> tuple[ActivationBatch, int]:
    """Return the finite rows, and how many are not.

    Args:
        what: "reference" or "inputs", for messages.

    Raises:
        BatchError: They are no arrays by layer name, or differ in their rows.
    """
    if not isinstance(layers, Mapping):
        raise BatchError(
            f"{what}: {describe(layers)}, not arrays by layer name",
            "Layers are told apart by their names.",
            'Give {"layer name": array (N, U), ...} in network order, for one layer too.',
        )
    if not layers:
        raise BatchError(f"{what}: no layer is given", fix='Give {"layer name": array (N, U), ...}')
    rows = {name: row_count(array, f"{what}: layer {name!r}") for name, array in layers.items()}
    count = next(iter(rows.values()))
    if set(rows.values()) != {count}:
        raise BatchError(
            f"{what}: the layers have different numbers of rows: "
            + ", ".join(f"{name} {number}" for name, number in rows.items()),
            fix="Every layer needs one row per input, in the same order.",
        )
    values = {
        str(name): as_values(array, f"{what}: layer {name!r}") for name, array in layers.items()
    }
    tensors = {name: layer.values for name, layer in values.items()}
    batch = ActivationBatch(
        values,
        row_digests(ModelCall((), tensors, None, count)),
        as_classes(predictions, count, f"{what}: predictions"),
        as_classes(labels, count, f"{what}: labels"),
    )
    finite = batch.finite()
    return (batch, 0) if finite.all() else (batch.select(finite), int((~finite).sum()))


def row_count(array: Any, what: str) -> int:
    """Return the number of rows of activations (N, U) or (N, C, H, W).

    Raises:
        BatchError: They have another form.
    """
    shape = getattr(array, "shape", None)
    if not shape or len(shape) < 2:
        form = describe(array) if shape is None else f"activations of shape {tuple(shape)}"
        raise BatchError(
            f"{what}: {form}",
            "A row is an input, a column a neuron.",
            "Give an array or tensor (N, U), or (N, C, H, W); np.asarray makes one of lists.",
        )
    return int(shape[0])


def as_values(array: Any, what: str) -> LayerValues:
    """Return activations as values, with the range of each row where they have positions.

    Raises:
        BatchError: They are no floating-point numbers.
    """
    tensor = array.detach().cpu() if isinstance(array, torch.Tensor) else _as_tensor(array, what)
    if not tensor.is_floating_point():
        raise _no_activations(what, str(tensor.dtype))
    if tensor.dim() == 2:
        return LayerValues(tensor if tensor.dtype == torch.float64 else tensor.float())
    maps = tensor.double().flatten(2)
    return LayerValues(maps.mean(2), maps.amin((1, 2)), maps.amax((1, 2)))


def _as_tensor(array: Any, what: str) -> torch.Tensor:
    """Return an array of any layout and byte order as a tensor."""
    own = np.asarray(array)
    if own.dtype.kind not in "fciub":
        raise _no_activations(what, str(own.dtype))
    return torch.from_numpy(np.require(own, own.dtype.newbyteorder("="), ["C", "W"]))


def _no_activations(what: str, dtype: str) -> BatchError:
    return BatchError(
        f"{what} holds {dtype}, not activations",
        "Neurons are compared by their values.",
        "Give floating-point values, as with array.astype(float).",
    )


def as_classes(values: Any, rows: int, what: str) -> NDArray[np.int64]:
    """Return a class for each row, UNKNOWN for all where None is given.

    Raises:
        BatchError: They are no whole numbers, or not one for each row.
    """
    if values is None:
        return np.full(rows, UNKNOWN, dtype=np.int64)
    array = values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else values
    array = np.asarray(array)
    if array.shape != (rows,) or array.dtype.kind not in "iub":
        raise BatchError(
            f"{what}: {array.dtype} of shape {array.shape} for {plural(rows, 'row')}",
            fix="Give one whole number per row, (N,), -1 where there is no class.",
        )
    return array.astype(np.int64)


def check_layers(reference: ActivationBatch, inputs: ActivationBatch) -> None:
    """Refuse inputs of other layers, or other neurons, than the reference.

    Raises:
        LayerError: They differ.
    """
    own, other = (list(batch.layers) for batch in (reference, inputs))
    if set(own) != set(other):
        raise LayerError(
            f"the inputs have layers {listed(other)}, the reference has {listed(own)}",
            "Neurons are compared one by one, layer by layer.",
            "Give the same names in both, for the same layers of the same model.",
        )
    for name in own:
        check_width(name, reference.array(name), inputs.array(name))


def check_width(name: str, reference: NDArray[Any], inputs: NDArray[Any]) -> None:
    """Refuse inputs with another number of neurons than the reference.

    Raises:
        LayerError: They differ.
    """
    if inputs.shape[1] != reference.shape[1]:
        raise LayerError(
            f"{name}: the inputs have {plural(inputs.shape[1], 'neuron')}, "
            f"the reference {reference.shape[1]}",
            "Neurons are compared one by one.",
            "Record both from the same layer of the same model, one row per input: (N, U).",
        )


def strangers(reference: NDArray[np.int64], inputs: NDArray[np.int64], what: str) -> str:
    """Say that no class of the inputs occurs in the reference; empty where one does."""
    known, asked = (np.unique(classes[classes != UNKNOWN]) for classes in (reference, inputs))
    if not len(known) or not len(asked) or np.isin(asked, known).any():
        return ""
    return (
        f"no input has a class that the reference has ({what}: {_some(asked)} of the inputs, "
        f"{_some(known)} of the reference): nothing is compared by class; number both alike"
    )


def _some(classes: NDArray[np.int64]) -> str:
    return listed(map(str, classes.tolist()), 4)
