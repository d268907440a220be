"""Rows of small passes that are measured together: hashed, reduced to neurons, classified."""

from __future__ import annotations

import ctypes
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pytest_deepimportance.data.activations import UNKNOWN
from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.data.digests import row_digests
from pytest_deepimportance.data.layer_values import LayerValues
from pytest_deepimportance.data.sheets import Sheet
from pytest_deepimportance.models.sitemap import Site
from pytest_deepimportance.recording.neurons import is_plain, reduce_to_neurons
from pytest_deepimportance.recording.scores import classified

_KINDS: Mapping[torch.dtype, type[np.generic]] = {
    torch.float32: np.float32,
    torch.float64: np.float64,
    torch.int64: np.int64,
    torch.int32: np.int32,
    torch.uint8: np.uint8,
    torch.bool: np.bool_,
}
"""What is written down, and as what."""


class Part(NamedTuple):
    """What one tensor holds for each row."""

    dtype: torch.dtype
    shape: tuple[int, ...]

    @classmethod
    def of(cls, tensor: Tensor) -> Part | None:
        """Return what a tensor holds for each row; None where it cannot be written down."""
        shape = tuple(tensor.shape)
        known = shape and tensor.dtype in _KINDS and is_plain(tensor)
        return cls(tensor.dtype, shape[1:]) if known else None

    @property
    def nbytes(self) -> int:
        """Bytes of a row."""
        return math.prod(self.shape) * self.dtype.itemsize


class Column:
    """What one tensor holds for each row of a page.

    Args:
        part: That.
        rows: Of the page.

    Attributes:
        lines: The memory, (rows, ...).
    """

    __slots__ = ("_address", "_dtype", "_row_bytes", "_shape", "lines")

    def __init__(self, part: Part, rows: int) -> None:
        self.lines: NDArray[Any] = np.empty((rows, *part.shape), _KINDS[part.dtype])
        self._dtype, self._shape = part
        self._address: int = self.lines.ctypes.data
        self._row_bytes = part.nbytes

    def write(self, tensor: Any, rows: slice) -> bool:
        """Copy a tensor; False where it is none that holds this for so many rows."""
        start, count = rows.start, rows.stop - rows.start
        if not is_plain(tensor) or tensor.dtype is not self._dtype:
            return False
        if tensor.shape != (count, *self._shape):
            return False
        # Known to lie here in order, so that no operation of torch, which costs more, is needed.
        size = self._row_bytes
        ctypes.memmove(self._address + start * size, tensor.data_ptr(), count * size)
        return True


class Columns(NamedTuple):
    """The memory of a page.

    Attributes:
        inputs: By place or name, what the model is called with.
        sites: By layer, what its site holds.
        scores: The class scores, or None.
    """

    inputs: Mapping[str | int, Column]
    sites: Mapping[str, Column]
    scores: Column | None


NO_COLUMNS = Columns({}, {}, None)


@dataclass(frozen=True)
class Form:
    """What passes of one kind hold for each row.

    Attributes:
        inputs: By place or name, what the model is called with.
        sites: By layer, what its site holds.
        scores: The class scores, or None.
    """

    inputs: Mapping[str | int, Part]
    sites: Mapping[str, Part]
    scores: Part | None

    @cached_property
    def layers(self) -> frozenset[str]:
        """Their names."""
        return frozenset(self.sites)

    @cached_property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        parts = [*self.inputs.values(), *self.sites.values(), self.scores]
        return sum(part.nbytes for part in parts if part is not None)

    def columns(self, rows: int) -> Columns:
        """Return memory for so many rows."""
        return Columns(
            {name: Column(part, rows) for name, part in self.inputs.items()},
            {name: Column(part, rows) for name, part in self.sites.items()},
            None if self.scores is None else Column(self.scores, rows),
        )


@dataclass(frozen=True)
class Reading:
    """How rows are measured.

    Attributes:
        sites: By layer.
        reduce: How positions become one value per neuron.
        tap: Which side of the activation is read.
        scale: What class scores are, see `data.confidence`.
    """

    sites: Mapping[str, Site]
    reduce: str
    tap: str
    scale: str


class Rows(NamedTuple):
    """What was found out about R rows: as for an `ActivationBatch`."""

    sheet: Sheet
    digests: NDArray[np.uint64]
    predictions: NDArray[np.int64]
    confidence: NDArray[np.float32] | None


@dataclass
class Leaf:
    """Rows of a page, one pass after another, until they are measured.

    Attributes:
        form: What they consist of.
        start, stop: Which lines of the page they are.
    """

    form: Form
    columns: Columns
    reading: Reading
    lock: threading.RLock
    start: int
    stop: int = 0
    _rows: Rows | None = field(default=None, repr=False)

    @property
    def settled(self) -> bool:
        """Whether its rows were measured, so that it takes in no more."""
        return self._rows is not None

    def rows(self) -> Rows:
        """Return its rows, measured now if they were not."""
        with self.lock:
            if self._rows is None:
                with torch.inference_mode(False), torch.no_grad():
                    self._rows = measured(
                        self.form, self.columns, slice(self.start, self.stop), self.reading
                    )
                self.columns = NO_COLUMNS  # the page is written anew
            return self._rows


def measured(form: Form, columns: Columns, rows: slice, reading: Reading) -> Rows:
    """Return what is found out about some rows of a page; nothing shares memory with it."""
    layers = site_values(columns, list(form.sites), rows, reading)
    sheet = Sheet.of(layers)
    assert sheet is not None
    digests = row_digests(call_of(form, columns, rows))
    if columns.scores is None:
        return Rows(sheet, digests, np.full(len(digests), UNKNOWN, np.int64), None)
    classes, sure = classified(torch.from_numpy(columns.scores.lines[rows]), reading.scale)
    return Rows(sheet, digests, classes.numpy(), None if sure is None else sure.numpy())


def site_values(
    columns: Columns, layers: list[str], rows: slice, reading: Reading
) -> dict[str, LayerValues]:
    """Return the values of layers, from what their sites held."""
    return {
        name: reduce_to_neurons(
            torch.from_numpy(columns.sites[name].lines[rows]),
            reading.sites[name],
            reading.reduce,
            non_negative=reading.sites[name].non_negative(reading.tap),
        )
        for name in layers
    }


def call_of(form: Form, columns: Columns, rows: slice) -> ModelCall:
    """Return the call that some rows of a page were made by, without what all rows shared."""
    given = {name: torch.from_numpy(columns.inputs[name].lines[rows]) for name in form.inputs}
    places = [name for name in given if isinstance(name, int)]
    args = [given.get(place) for place in range(max(places, default=-1) + 1)]
    kwargs = {name: value for name, value in given.items() if isinstance(name, str)}
    return ModelCall(tuple(args), kwargs, None, rows.stop - rows.start)
