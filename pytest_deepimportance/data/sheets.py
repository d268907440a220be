"""Activations as one array, layer beside layer: kept, sent, cut and joined as one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_deepimportance.data.layer_values import LayerValues

PRECISIONS = frozenset({torch.float32, torch.float64})
"""What a sheet can hold."""

_LARGE = 1 << 20
"""Bytes of memory that a few rows must not keep alive."""


_WORTH_A_LOOK = 1 << 12
"""Bytes of a part: to copy fewer is faster than to find out whether they follow those before."""


class Columns(NamedTuple):
    """The columns of one layer.

    Attributes:
        layer: Its name.
        neurons: Columns with a value per neuron.
        reduced: Whether two more follow: the smallest and the largest unreduced value.
    """

    layer: str
    neurons: int
    reduced: bool

    @property
    def width(self) -> int:
        """All its columns."""
        return self.neurons + 2 * self.reduced


def columns_of(layers: Mapping[str, LayerValues]) -> tuple[Columns, ...]:
    """Return the columns that layers have, side by side."""
    return tuple(
        Columns(name, layer.values.shape[1], layer.smallest is not None)
        for name, layer in layers.items()
    )


@dataclass(frozen=True)
class Sheet:
    """Activations of N rows, layer beside layer.

    Attributes:
        columns: What stands where; W columns in all.
        values: (N, W), single or double precision.
    """

    columns: tuple[Columns, ...]
    values: NDArray[np.floating]

    @classmethod
    def of(cls, layers: Mapping[str, LayerValues]) -> Sheet | None:
        """Return a batch's activations as a sheet; None off the CPU or of several precisions."""
        if isinstance(layers, SheetLayers):
            return layers.sheet
        tensors = [tensor for layer in layers.values() for tensor in layer.tensors()]
        first = tensors[0]
        if first.dtype not in PRECISIONS or any(
            t.dtype is not first.dtype or t.device.type != "cpu" for t in tensors
        ):
            return None
        flat = [tensor if tensor.dim() == 2 else tensor.unsqueeze(1) for tensor in tensors]
        return cls(columns_of(layers), torch.cat(flat, dim=1).numpy())

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def starts(self) -> dict[str, int]:
        """First column of each layer."""
        ends = np.cumsum([of_layer.width for of_layer in self.columns]).tolist()
        return dict(zip((of_layer.layer for of_layer in self.columns), [0, *ends], strict=False))

    def column(self, layer: str) -> Columns:
        """Return the columns of one layer."""
        return self.columns[list(self.starts).index(layer)]

    def neurons(self, layer: str) -> NDArray[np.floating]:
        """Return a layer's values, (N, U), a view."""
        start = self.starts[layer]
        return self.values[:, start : start + self.column(layer).neurons]

    def extremes(self, layer: str) -> NDArray[np.floating] | None:
        """Return the smallest and largest unreduced values, (N, 2), a view; None: not reduced."""
        column = self.column(layer)
        start = self.starts[layer] + column.neurons
        return self.values[:, start : start + 2] if column.reduced else None

    def layer(self, name: str) -> LayerValues:
        """Return a layer's activations, in memory of their own."""
        extremes = self.extremes(name)
        ends = () if extremes is None else torch.from_numpy(extremes.T.copy())
        return LayerValues(torch.from_numpy(self.neurons(name).copy()), *ends)

    def layers(self) -> dict[str, LayerValues]:
        """Return the activations by layer, each in memory of its own."""
        return {name: self.layer(name) for name in self.starts}

    def rows(self, part: slice) -> Sheet:
        """Return some neighbouring rows, which share its memory."""
        return Sheet(self.columns, self.values[part])

    def apart(self) -> Sheet:
        """Return the same in memory of its own, where it lies in that of many others."""
        memory = self.values.base
        if isinstance(memory, np.ndarray) and memory.nbytes > _LARGE:
            return Sheet(self.columns, self.values.copy())
        return self

    @staticmethod
    def joined(sheets: Sequence[Sheet]) -> Sheet:
        """Join the rows of sheets with equal columns; those that follow one another lie joined."""
        parts = [sheet.values for sheet in sheets]
        values = following(parts) if parts[0].nbytes >= _WORTH_A_LOOK else None
        return Sheet(sheets[0].columns, np.concatenate(parts) if values is None else values)

    def fits(self, other: Sheet) -> bool:
        """Whether both can be joined."""
        return self.columns == other.columns and self.values.dtype == other.values.dtype


class SheetLayers(Mapping[str, LayerValues]):
    """The layers of a sheet, each cut out when it is first asked for.

    Args:
        sheet: Whose; its values may be a view of a larger array.
    """

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self._layers: dict[str, LayerValues] = {}

    def __getitem__(self, name: str) -> LayerValues:
        if name not in self._layers:
            self._layers[name] = self.sheet.layer(name)
        return self._layers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.sheet.starts)

    def __contains__(self, name: object) -> bool:
        return name in self.sheet.starts

    def __len__(self) -> int:
        return len(self.sheet.columns)

    def finite(self) -> NDArray[np.bool_]:
        """Return for each row whether every value is finite, (N,)."""
        with np.errstate(over="ignore", invalid="ignore"):
            if math.isfinite(self.sheet.values.sum()):  # one that overflows says nothing
                return np.ones(len(self.sheet), dtype=bool)
        finite: NDArray[np.bool_] = np.isfinite(self.sheet.values).all(axis=1)
        return finite

    @staticmethod
    def joined(parts: Sequence[Mapping[str, LayerValues]]) -> SheetLayers | None:
        """Join the rows of several; None where they are no sheets, or of other columns."""
        sheets = [part.sheet for part in parts if isinstance(part, SheetLayers)]
        if len(sheets) < len(parts) or not all(sheet.fits(sheets[0]) for sheet in sheets):
            return None
        return SheetLayers(Sheet.joined(sheets))


def following(parts: Sequence[NDArray[Any]]) -> NDArray[Any] | None:
    """Return arrays (n, W) of one kind as one where they follow one another in one memory."""
    memory = parts[0].base
    if not isinstance(memory, np.ndarray) or not memory.flags.c_contiguous:
        return None
    at = start = _address(parts[0])
    for part in parts:
        if part.base is not memory or not part.flags.c_contiguous or _address(part) != at:
            return None
        at += part.nbytes
    first = start - _address(memory)
    size = at - start
    found = memory.reshape(-1).view(np.uint8)[first : first + size]
    return found.view(parts[0].dtype).reshape(-1, parts[0].shape[1])


def _address(array: NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])
