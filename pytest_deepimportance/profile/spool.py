"""Activations of the reference, kept until the important neurons are known.

Which neurons to cluster is known only after the last batch, so every candidate neuron's value must
be kept (or the model run twice). Values stay in memory within a budget and go to a temporary file
above it, so that peak memory does not grow with the reference.
"""

from __future__ import annotations

import tempfile
from typing import IO

import numpy as np
from numpy.typing import NDArray


class Spool:
    """Rows of one layer's neurons, appended in batches, read back by column.

    Args:
        budget: Bytes that may stay in memory; above it rows are moved to a temporary file.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._chunks: list[NDArray[np.float32]] = []
        self._kept = 0
        self._file: IO[bytes] | None = None
        self._rows = 0
        self._units = 0
        self._dtype: np.dtype[np.floating] = np.dtype(np.float32)

    def __len__(self) -> int:
        return self._rows

    @property
    def width(self) -> int:
        """Neurons of a row, 0 while there is none."""
        return self._units

    def append(self, values: NDArray[np.floating]) -> None:
        """Add rows, (N, U)."""
        if not self._rows:
            self._units, self._dtype = values.shape[1], values.dtype
        self._rows += len(values)
        if self._file is not None:
            self._file.write(np.ascontiguousarray(values).tobytes())
            return
        self._chunks.append(values)
        self._kept += values.nbytes
        if self._kept > self._budget:
            self._spill()

    def _spill(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the spool
        for chunk in self._chunks:
            self._file.write(np.ascontiguousarray(chunk).tobytes())
        self._chunks.clear()

    @property
    def on_disk(self) -> bool:
        """Whether the rows went to a temporary file."""
        return self._file is not None

    def columns(self, indices: list[int]) -> NDArray[np.floating]:
        """Return the chosen neurons of all rows, (N, len(indices))."""
        if self._file is None:
            if not self._chunks:
                return np.empty((0, len(indices)), dtype=self._dtype)
            return np.concatenate([chunk[:, indices] for chunk in self._chunks])
        self._file.flush()
        mapped = np.memmap(self._file, dtype=self._dtype, mode="r", shape=(self._rows, self._units))
        step = max(1, (16 << 20) // max(1, self._units * self._dtype.itemsize))
        parts = [
            np.array(mapped[start : start + step][:, indices])
            for start in range(0, self._rows, step)
        ]
        return np.concatenate(parts)

    def close(self) -> None:
        """Release memory and the temporary file."""
        self._chunks.clear()
        if self._file is not None:
            self._file.close()
            self._file = None
