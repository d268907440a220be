"""Where the rows of a reference come from: memory, a loader, or something that is read once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pytest_deepimportance.data.batches import ModelCall, as_call, is_array
from pytest_deepimportance.data.importing import failing_line
from pytest_deepimportance.errors import BatchError, IdcError, ReferenceDataError

Prepare = Callable[[ModelCall], ModelCall]


class Source(Protocol):
    """Rows in a fixed order, at every reading the same (unless `reiterable` is False)."""

    @property
    def rows(self) -> int | None:
        """Number of rows, None if unknown."""

    @property
    def random(self) -> bool:
        """Whether reading may draw random numbers."""

    @property
    def reiterable(self) -> bool:
        """Whether it can be read through again."""

    @property
    def cut(self) -> bool:
        """Whether rows were left out."""

    def calls(self, size: int) -> Iterator[ModelCall]:
        """Yield all rows in calls of at most `size` rows."""

    def original(self, row: int) -> int | None:
        """Return the number of `row` in what the user gave, None if it has none."""


@dataclass(frozen=True)
class Memory:
    """Rows that lie in memory.

    Attributes:
        call: All stored rows as one call.
        index: Which of them belong to the reference, in order; None for all.
        prepare: Turns stored rows into model inputs, batch by batch.
    """

    call: ModelCall
    index: NDArray[np.int64] | None = None
    prepare: Prepare | None = None


class MemorySource:
    """Rows in memory: slices (views) of it, or copies of the rows picked."""

    random = False
    reiterable = True

    def __init__(self, memory: Memory, picks: NDArray[np.int64] | None = None) -> None:
        self._memory, self._picks = memory, picks
        index = memory.index if memory.index is not None else picks
        if memory.index is not None and picks is not None:
            index = memory.index[picks]
        self._index = None if index is None else torch.from_numpy(np.ascontiguousarray(index))
        self.rows: int | None = memory.call.rows if index is None else len(index)
        self.cut = picks is not None

    def calls(self, size: int) -> Iterator[ModelCall]:
        """Yield the rows; only rows that are picked or prepared are copied, one call at a time."""
        call, prepare = self._memory.call, self._memory.prepare
        if self._index is None:
            parts = call.split(size)
        else:
            index = self._index
            starts = range(0, len(index), size)
            parts = (call.select(index[start : start + size]) for start in starts)
        for part in parts:
            yield part if prepare is None else prepare(part)

    def original(self, row: int) -> int | None:
        """Return the row's number before sampling."""
        return row if self._picks is None else int(self._picks[row])


class StreamSource:
    """Batches from a loader or another iterable that can be opened again.

    Args:
        opened: Called with the batch size, returns a fresh iterable of batches.
        rows: Number of rows when known.
        limit: Rows after which reading stops.
        picks: Original number of each row, where the stream is a sample.
        ordered: Whether the rows come in the order of what the user gave.
        random: Whether reading may draw random numbers.
    """

    reiterable = True

    def __init__(
        self,
        opened: Callable[[int], Iterable[Any]],
        *,
        rows: int | None = None,
        limit: int | None = None,
        picks: NDArray[np.int64] | None = None,
        ordered: bool = True,
        random: bool = True,
    ) -> None:
        self._opened, self._limit, self._picks, self._ordered = opened, limit, picks, ordered
        self.random = random
        self.rows = rows if rows is None or limit is None else min(rows, limit)
        self.cut = picks is not None or (rows is not None and limit is not None and limit < rows)

    def calls(self, size: int) -> Iterator[ModelCall]:
        """Yield the user's batches, split where they hold more than `size` rows."""
        left = self._limit
        for batch in self._opened(size):
            if left == 0:
                self.cut = True
                return
            call = batch_call(batch)
            if left is not None:
                self.cut = self.cut or call.rows > left
                call = call.first_rows(left)
                left -= call.rows
            yield from call.split(size)

    def original(self, row: int) -> int | None:
        """Return the row's number before sampling, None for a shuffled stream."""
        if self._picks is not None:
            return int(self._picks[row])
        return row if self._ordered else None


class OneShotSource:
    """An iterator, which can be read only once: kept in memory when it fits, else read through.

    Reading may start again as long as nothing beyond the kept part was asked for.

    Args:
        iterator: Yields batches.
        limit: Rows after which reading stops, None for no limit.
        budget: Bytes that may be kept.
    """

    random = True

    def __init__(self, iterator: Iterator[Any], limit: int | None, budget: int) -> None:
        self._stream = StreamSource(lambda _: iterator, limit=limit)
        self._rest = self._stream.calls(sys.maxsize)
        self.kept: list[ModelCall] = []
        self._read_through = False
        self.reiterable = True
        for call in self._rest:
            # Copied: a generator may fill one buffer again and again.
            copied = call.select(torch.arange(call.rows, device="cpu"))
            self.kept.append(copied)
            budget -= _bytes(copied)
            if budget < 0:
                self.reiterable = False
                break
        kept = sum(call.rows for call in self.kept)
        self.rows: int | None = kept if self.reiterable else None

    @property
    def cut(self) -> bool:
        """Whether the limit left rows out, as far as was read."""
        return self._stream.cut

    def calls(self, size: int) -> Iterator[ModelCall]:
        """Yield the kept rows, then the rest, which exists only once."""
        if self._read_through:
            raise ReferenceDataError(
                "the reference is an iterator that was already read beyond what fits in memory",
                "A second reading would not find the same rows.",
                "Give something that can be read again: a function that returns a fresh generator, "
                "a DataLoader, a Dataset, or a larger idc_memory.",
            )
        for call in self.kept:
            yield from call.split(size)
        if not self.reiterable:
            self._read_through = True
            for call in self._rest:
                yield from call.split(size)

    def original(self, row: int) -> int | None:
        """Return the row's place in the iteration."""
        return row


def batch_call(batch: Any) -> ModelCall:
    """Turn a batch of the reference into a call, refusing it as reference data."""
    try:
        return as_call(batch)
    except BatchError as error:
        raise ReferenceDataError(f"the reference: {error.what}", error.why, error.fix) from error


def memory_call(source: Any) -> ModelCall:
    """Turn x, (x, y) or a mapping of arrays into one call.

    Raises:
        ReferenceDataError: x and y differ in length, or x holds objects.
    """
    if isinstance(source, (tuple, list)) and len(source) > 1:
        x, y = source[0], source[1]
        if is_array(x) and is_array(y) and x.ndim and (not y.ndim or len(x) != len(y)):
            raise ReferenceDataError(
                f"the reference has x of shape {tuple(x.shape)} and y of shape {tuple(y.shape)}",
                "Each input needs its own label.",
                "Give x and y with the same first dimension.",
            )
    return batch_call(source)


def _bytes(call: ModelCall) -> int:
    values = [*call.args, *call.kwargs.values()]
    flat = [item for value in values for item in (value if isinstance(value, list) else [value])]
    return sum(v.numel() * v.element_size() for v in flat if isinstance(v, Tensor))


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn an exception of the user's data code into an error that says what to change."""
    try:
        yield
    except IdcError:
        raise
    except Exception as error:
        raise _explained(what, error) from error


def _explained(what: str, error: Exception) -> ReferenceDataError:
    text = str(error)
    last = text.strip().splitlines()[-1] if text.strip() else ""
    if "equal size" in text or "same shape" in text or "inhomogeneous" in text:
        return ReferenceDataError(
            f"{what}: its rows have different shapes and cannot be stacked",
            last,
            "Resize or pad them to one shape: idc_transform = pkg.mod:callable for image "
            "folders and torchvision data sets, or a DataLoader with its own collate_fn.",
        )
    if "default_collate" in text and "found" in text:
        return ReferenceDataError(
            f"{what}: its items are not tensors",
            last,
            "Give the data set a transform that returns tensors, such as "
            "torchvision.transforms.ToTensor().",
        )
    line = failing_line(error)
    return ReferenceDataError(
        f"{what}: reading it raised {type(error).__name__}: {text}",
        "Without reference data there is nothing to compare the tests with.",
        f"at {line}" if line else "",
    )
