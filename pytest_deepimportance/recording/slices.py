"""Which slices the passes that begin now belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.data.tags import Tags, as_columns, as_tags, number_of
from pytest_deepimportance.errors import RecordingError
from pytest_deepimportance.formatting import plural


@dataclass(frozen=True)
class Slices:
    """Tags of passes.

    Attributes:
        shared: Tags of every row.
        columns: By name one value for each row; for passes with so many rows.
    """

    shared: Tags = ()
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of_all(cls, values: Mapping[str, Any]) -> Slices:
        """Return the slices of passes whose rows all have these values; see `as_tags`."""
        return cls(shared=as_tags(values))

    @classmethod
    def of_each(cls, columns: Mapping[str, Any], rows: int) -> Slices:
        """Return the slices of passes with a value for each row; see `as_columns`."""
        return cls(columns=as_columns(columns, rows))

    def within(self, inner: Slices) -> Slices:
        """Return these slices and inner ones, which decide where both name the same."""
        shared = tuple(sorted({**dict(self.shared), **dict(inner.shared)}.items()))
        outer = {name: c for name, c in self.columns.items() if name not in dict(inner.shared)}
        return Slices(shared, {**outer, **inner.columns})

    def of_rows(self, rows: int) -> NDArray[np.int32] | None:
        """Return the number of each row's tags, (N,); None where it has none."""
        if not self.shared and not self.columns:
            return None
        if not self.fits(rows) or not self.columns:
            return np.full(rows, number_of(self.shared), dtype=np.int32)
        names = list(self.columns)
        shared = dict(self.shared)
        return np.array(
            [
                number_of(tuple(sorted({**shared, **dict(zip(names, row, strict=True))}.items())))
                for row in zip(*self.columns.values(), strict=True)
            ],
            dtype=np.int32,
        )

    def fits(self, rows: int) -> bool:
        """Return whether each column has one value for each of so many rows."""
        return all(len(column) == rows for column in self.columns.values())


NO_SLICES = Slices()


class Columns:
    """Values for the rows of all batches together, handed out batch by batch.

    Args:
        columns: By name one value for each row, or None.

    Raises:
        RecordingError: The names or values cannot be used, or the columns differ in length.
    """

    def __init__(self, columns: Any) -> None:
        self._columns: Mapping[str, Sequence[str]] = {}
        self._taken = self._rows = 0
        if columns is not None:
            first = next(iter(columns.values()), ()) if isinstance(columns, Mapping) else ()
            self._rows = len(first) if hasattr(first, "__len__") else 0
            self._columns = as_columns(columns, self._rows)

    def next(self, rows: int) -> Slices:
        """Return the slices of the next so many rows."""
        part = slice(self._taken, self._taken + rows)
        self._taken += rows
        return Slices(columns={name: column[part] for name, column in self._columns.items()})

    def check_used_up(self) -> None:
        """Refuse columns that had fewer or more values than there were rows.

        Raises:
            RecordingError: They had.
        """
        if self._columns and self._taken != self._rows:
            raise RecordingError(
                f"the slices have {plural(self._rows, 'value')}, but "
                f"{plural(self._taken, 'input')} were measured",
                "Which input belongs to which slice is not clear.",
                "Give one value for each input, in their order.",
            )
