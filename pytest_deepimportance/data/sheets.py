"""Activations as one array, layer beside layer: kept, sent, cut and joined as one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_deepimportance.data.layer_values import LayerValues

_PRECISIONS = (torch.float32, torch.float64)


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
        if first.dtype not in _PRECISIONS or any(
            t.dtype is not first.dtype or t.device.type != "cpu" for t in tensors
        ):
            return None
        columns = tuple(
            Columns(name, layer.values.shape[1], layer.smallest is not None)
            for name, layer in layers.items()
        )
        flat = [tensor if tensor.dim() == 2 else tensor.unsqueeze(1) for tensor in tensors]
        return cls(columns, torch.cat(flat, dim=1).numpy())

    def __len__(self) -> int:
        return len(self.values)

    def layers(self) -> dict[str, LayerValues]:
        """Return the activations by layer, each in memory of its own."""
        result, at = {}, 0
        for name, neurons, reduced in self.columns:
            end = at + neurons
            values = torch.from_numpy(self.values[:, at:end].copy())
            at = end + 2 * reduced
            extremes = torch.from_numpy(self.values[:, end:at].T.copy())
            result[name] = LayerValues(values, *extremes)
        return result

    @staticmethod
    def joined(sheets: Sequence[Sheet]) -> Sheet:
        """Join the rows of sheets with equal columns."""
        return Sheet(sheets[0].columns, np.concatenate([sheet.values for sheet in sheets]))

    def fits(self, other: Sheet) -> bool:
        """Whether both can be joined."""
        return self.columns == other.columns and self.values.dtype == other.values.dtype


class SheetLayers(Mapping[str, LayerValues]):
    """The layers of a sheet, cut out when one is first asked for.

    Args:
        sheet: Whose; its values may be a view of a larger array.
    """

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self._layers: dict[str, LayerValues] | None = None

    def __getitem__(self, name: str) -> LayerValues:
        if self._layers is None:
            self._layers = self.sheet.layers()
        return self._layers[name]

    def __iter__(self) -> Iterator[str]:
        return (columns.layer for columns in self.sheet.columns)

    def __len__(self) -> int:
        return len(self.sheet.columns)

    def finite(self) -> NDArray[np.bool_]:
        """Return for each row whether every value is finite, (N,)."""
        finite: NDArray[np.bool_] = np.isfinite(self.sheet.values).all(axis=1)
        return finite

    @staticmethod
    def joined(parts: Sequence[Mapping[str, LayerValues]]) -> SheetLayers | None:
        """Join the rows of several; None where they are no sheets, or of other columns."""
        sheets = [part.sheet for part in parts if isinstance(part, SheetLayers)]
        if len(sheets) < len(parts) or not all(sheet.fits(sheets[0]) for sheet in sheets):
            return None
        return SheetLayers(Sheet.joined(sheets))
