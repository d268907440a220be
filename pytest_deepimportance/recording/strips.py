"""Large passes: what is kept of one lies in a strip of memory, all layers side by side.

Each layer is reduced straight into its columns, so that nothing is copied when the pass is booked,
and strips that follow one another are one sheet without being joined. What columns there are is
learned from a pass that was measured layer by layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pytest_deepimportance.data.layer_values import LayerValues
from pytest_deepimportance.data.sheets import PRECISIONS, Columns, Sheet, SheetLayers, columns_of
from pytest_deepimportance.models.sitemap import Site
from pytest_deepimportance.recording.neurons import is_plain, reduce_into
from pytest_deepimportance.recording.slab import LARGEST_STRIP, Slab


@dataclass(frozen=True)
class _Form:
    """What a row of a strip consists of."""

    columns: tuple[Columns, ...]
    dtype: torch.dtype

    @cached_property
    def kind(self) -> np.dtype[Any]:
        """Precision, as numpy calls it."""
        return np.dtype(np.float32 if self.dtype is torch.float32 else np.float64)

    @cached_property
    def widths(self) -> list[int]:
        """Columns of the values of each layer, and of each of its extremes."""
        parts = [([c.neurons, 1, 1] if c.reduced else [c.neurons]) for c in self.columns]
        return [width for part in parts for width in part]

    @cached_property
    def width(self) -> int:
        """Columns, W."""
        return sum(self.widths)


class Strips:
    """Gives each large pass its strip.

    Args:
        reduce: What a neuron's positions become; means only are taken straight into a strip.
        tap: Which side of the activation is read.

    Attributes:
        slab: Where the strips are.
    """

    def __init__(self, reduce: str, tap: str) -> None:
        self.slab = Slab()
        self._reduce = reduce
        self._tap = tap
        self._form: _Form | None = None

    def open(self, rows: int) -> Strip | None:
        """Return the strip of a pass of so many rows; None: measure it layer by layer."""
        form = self._form
        return None if form is None else self._strip(form, rows)

    def keep(self, layers: Mapping[str, LayerValues], rows: int) -> Mapping[str, LayerValues]:
        """Copy a pass that was measured layer by layer; those that follow are taken like it."""
        tensors = [tensor for layer in layers.values() for tensor in layer.tensors()]
        kinds = {tensor.dtype for tensor in tensors}
        strip = None
        if len(kinds) == 1 and kinds <= PRECISIONS and all(tensor.is_cpu for tensor in tensors):
            form = _Form(columns_of(layers), kinds.pop())
            strip = self._strip(form, rows)
        if strip is None:
            kept = iter(self.slab.keep_rows(tensors))
            return {name: layer.map(lambda _: next(kept)) for name, layer in layers.items()}
        if self._reduce == "mean":
            self._form = form
        return SheetLayers(strip.filled(tensors))

    def _strip(self, form: _Form, rows: int) -> Strip | None:
        if rows * form.width * form.dtype.itemsize > LARGEST_STRIP:
            return None
        return Strip(form, self.slab.rows(form.kind, rows, form.width), self._tap)


class Strip:
    """The rows of one pass, (N, W); layers are taken in the order of its columns."""

    def __init__(self, form: _Form, memory: NDArray[Any], tap: str) -> None:
        self._form = form
        self._tap = tap
        self._memory = memory
        with torch.inference_mode(False):  # a forward may leave it between two layers
            self._parts = torch.from_numpy(memory).split_with_sizes(form.widths, dim=1)
        self._layer = self._part = 0

    def complete(self, visited: int) -> bool:
        """Whether its layers were taken, all of them and all that a pass visited."""
        return self._layer == len(self._form.columns) == visited

    def take(self, site: Site, tensor: Any) -> bool:
        """Take a layer; False where it is not the next one, or not as the form says."""
        if self._layer == len(self._form.columns):
            return False
        name, neurons, reduced = self._form.columns[self._layer]
        if site.name != name or site.row_axis != 0 or not is_plain(tensor):
            return False
        shape, part = tensor.shape, self._part
        channels = site.channel_axis % len(shape) if shape else 0
        if channels == 0 or shape[channels] != neurons or shape[0] != len(self._memory):
            return False
        if reduced != (len(shape) > 2) or tensor.dtype is not self._form.dtype:
            return False
        values, tensor = self._parts[part], tensor.detach()
        if reduced:
            low, high = self._parts[part + 1].squeeze(1), self._parts[part + 2].squeeze(1)
            reduce_into(
                tensor, channels, values, low, high, non_negative=site.non_negative(self._tap)
            )
        else:
            values.copy_(tensor)
        self._layer += 1
        self._part += 3 if reduced else 1
        return True

    def filled(self, tensors: list[Tensor]) -> Sheet:
        """Return the whole strip, filled with copies of what layers hold."""
        columns = [tensor if tensor.dim() == 2 else tensor.unsqueeze(1) for tensor in tensors]
        torch.cat(columns, dim=1, out=torch.from_numpy(self._memory))
        return Sheet(self._form.columns, self._memory)

    def sheet(self) -> Sheet:
        """Return what was taken."""
        if self._layer == len(self._form.columns):
            return Sheet(self._form.columns, self._memory)
        taken = sum(self._form.widths[: self._part])
        return Sheet(self._form.columns[: self._layer], self._memory[:, :taken])
