"""Rows that are measured together: what a batch costs a criterion, one row costs it too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pytest_deepimportance.criteria.base import Criterion, naming
from pytest_deepimportance.criteria.bits import CHUNK
from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.data.sheets import Sheet

_CHUNK_VALUES = 1 << 22
"""Activations of a chunk at most; copies of them live until the chunk is done."""

_KEPT_ROWS = 32
"""Rows of a block up to which they are kept; more are worth measuring by themselves."""

_KEPT_BYTES = 1 << 17
"""Bytes of a block up to which its rows are kept: a session may hold ten thousand blocks."""


def to_be_kept(batches: Sequence[ActivationBatch]) -> tuple[Sheet, ...]:
    """Return the rows of a small block as they are; nothing where it is large, or empty.

    A state measured of a few rows is no smaller than they are (CC and NLC keep them anyway), and
    making and merging it costs as much as that of a thousand.
    """
    rows = size = 0
    for batch in batches:
        rows += len(batch)
        size += batch.nbytes
    if not fits(rows, size):
        return ()
    sheets = [Sheet.of(batch.layers) for batch in batches]
    kept = tuple(sheet.apart() for sheet in sheets if sheet is not None)
    return kept if len(kept) == len(batches) else ()


def fits(rows: int, size: int) -> bool:
    """Whether a block of so many rows, of so many bytes in all, keeps them."""
    return 0 < rows <= _KEPT_ROWS and size <= _KEPT_BYTES


def take_in(criteria: Mapping[str, Criterion], batches: Iterable[ActivationBatch]) -> None:
    """Let every criterion take in every batch."""
    # What looks at every neuron gets chunks that fit into the cache, and what several criteria
    # derive from one is kept with it; few neurons, or distances, are best done for all rows.
    whole = [c for c in criteria.values() if c.reads != "neurons"]
    rest = [c for c in criteria.values() if c.reads == "neurons"]
    for batch in batches:
        for criterion in whole:
            with naming(criterion.name):
                criterion.update(batch)
        for chunk in batch.chunks(_chunk_rows(batch)):
            for criterion in rest:
                with naming(criterion.name):
                    criterion.update(chunk)


def _chunk_rows(batch: ActivationBatch) -> int:
    """Return how many rows to process at a time: fewer where there are many neurons."""
    neurons = sum(batch.width(name) for name in batch.layers)
    return max(64, min(CHUNK, _CHUNK_VALUES // max(1, neurons)))
