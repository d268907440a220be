"""What a suite has shown of surprise: a set of inputs with their values that merges by union."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.statistics.rows import unique_rows

Floats = NDArray[np.float64]
Digests = NDArray[np.uint64]

VALUE, NON_FINITE, NO_REFERENCE, UNLABELLED, UNVISITED = range(5)
"""What became of an input: a finite value, a value that is NaN or infinite, a class that the
reference lacks, a class that is not known, a pass that did not reach the layer. Of an input that
was recorded more than once the first of these counts: a label in one pass tells it in all."""

_PENDING_ROWS = 1 << 13
"""Rows kept before repeated ones are dropped."""


class SurpriseState:
    """The distinct triples of input digest, surprise and code.

    The same input can have two values: another batch size may change its activations by rounding.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything seen."""
        self._parts = [np.zeros((0, 3), dtype=np.uint64)]
        self._pending = 0

    def add(self, digests: Digests, code: int, values: Floats | None = None) -> None:
        """Take in inputs (N,) of one code; values (N,) where the code is VALUE."""
        # NaN for the others: as bit patterns all rows compare, and sort, exactly.
        found = np.full(len(digests), np.nan) if values is None else values + 0.0
        codes = np.full(len(digests), code, dtype=np.uint64)
        self._add(np.stack([digests, codes, found.view(np.uint64)], axis=1))

    def merge(self, other: SurpriseState) -> None:
        """Take in everything that `other` has seen."""
        self._add(other._settled())

    @property
    def inputs(self) -> int:
        """Distinct inputs."""
        return len(np.unique(self._settled()[:, 0]))

    def count(self, code: int) -> int:
        """Return the number of distinct inputs of which this happened, and nothing better."""
        rows = self._settled()
        _, first = np.unique(rows[:, 0], return_index=True)  # the rows of an input ascend by code
        return int((rows[first, 1] == code).sum())

    @property
    def finite(self) -> tuple[Digests, Floats]:
        """Inputs with finite values, and the values, (F,) each, by digest."""
        rows = self._settled()
        rows = rows[rows[:, 1] == VALUE]
        return rows[:, 0], _floats(rows[:, 2])

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the triples by digest, code and value, the same for equal states, (T,) each."""
        rows = self._settled()
        return {
            "digests": rows[:, 0].copy(),
            "codes": rows[:, 1].astype(np.uint8),
            "values": _floats(rows[:, 2]),
        }

    def set_arrays(self, data: Mapping[str, NDArray[Any]]) -> None:
        """Replace the state by one that `to_arrays` returned."""
        values = np.ascontiguousarray(data["values"], dtype=np.float64).view(np.uint64)
        columns = [data["digests"], data["codes"].astype(np.uint64), values]
        self._parts, self._pending = [np.stack(columns, axis=1)], 0

    def _add(self, rows: NDArray[np.uint64]) -> None:
        self._parts.append(rows)
        self._pending += len(rows)
        if self._pending > max(_PENDING_ROWS, len(self._parts[0])):
            self._settled()

    def _settled(self) -> NDArray[np.uint64]:
        """Return the distinct rows (digest, code, bits of the value) in ascending order, (T, 3)."""
        if len(self._parts) > 1:
            self._parts = [unique_rows(np.concatenate(self._parts))]
            self._pending = 0
        return self._parts[0]


def _floats(bits: NDArray[np.uint64]) -> Floats:
    return np.ascontiguousarray(bits).view(np.float64)
