"""Which items each input covers: a sparse table of inputs and items, for one criterion.

Everything that asks "what would this subset of the inputs cover" (growth curves, random subsets,
the smallest subset) is answered from it without another forward pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from pytest_deepimportance.errors import SettingsError

Indices = NDArray[np.int64]

_MAPPED = 1 << 28
"""Up to so many possible items a table of all of them is faster than sorting."""


@dataclass(frozen=True)
class RowItems:
    """The items of some rows, one row after another.

    Attributes:
        counts: Items of each row, (N,).
        items: Their numbers, (E,), distinct within a row.
    """

    counts: Indices
    items: Indices

    @classmethod
    def of(cls, rows: Indices, items: Indices, count: int) -> RowItems:
        """Return the items of `count` rows from pairs, (E,) each, in any order of rows."""
        order = np.argsort(rows, kind="stable")
        return cls(np.bincount(rows, minlength=count), items[order])

    @classmethod
    def one_each(cls, items: Indices, has: NDArray[np.bool_]) -> RowItems:
        """Return one item (N,) for each row that has one, (N,)."""
        return cls(has.astype(np.int64), items[has])


def chosen_rows(rows: ArrayLike, count: int) -> Indices:
    """Return which of `count` inputs `rows` (indices, or a mask of all of them) name, (n,).

    Raises:
        SettingsError: They are neither, or name an input that is not there.
    """
    given = np.asarray(rows).reshape(-1)
    if given.dtype == bool and len(given) == count:
        return np.flatnonzero(given)
    if given.dtype.kind not in "iu" and len(given):
        what = f"a mask of {len(given)}" if given.dtype == bool else f"{given[0]!r}"
        raise SettingsError(
            f"rows: {what} names no inputs of {count}",
            fix=f"Give whole numbers below {count}, or one True or False for each input.",
        )
    out = given[(given >= count) | (given < -count)] if len(given) else given
    if len(out):
        raise SettingsError(
            f"rows: there is no input {out[0]} among {count}", fix=f"Give numbers below {count}."
        )
    found = given.astype(np.int64)
    return np.where(found < 0, found + count, found)


@dataclass(frozen=True)
class Incidence:
    """Inputs x items.

    Attributes:
        matrix: (N, P) booleans, sparse: whether input n covers item p.
        keys: Numbers of the P items that occur, ascending; what they mean is the criterion's.
        total: All items there are, exact; 0 where the criterion has no total.
    """

    matrix: csr_array
    keys: Indices
    total: int = 0

    @classmethod
    def joined(cls, parts: Sequence[RowItems], total: int = 0, possible: int = 0) -> Incidence:
        """Join the items of consecutive rows.

        Args:
            possible: Items are numbered below it; 0 where they are not numbered from 0.
        """
        counts = np.concatenate([np.zeros(1, np.int64), *(part.counts for part in parts)])
        items = np.concatenate([np.zeros(0, np.int64), *(part.items for part in parts)])
        keys, columns = _numbered(items, possible)
        data = np.ones(len(columns), dtype=bool)
        shape = (len(counts) - 1, len(keys))
        return cls(csr_array((data, columns, np.cumsum(counts)), shape=shape), keys, total)

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    @property
    def nbytes(self) -> int:
        """Memory in bytes."""
        parts = (self.matrix.data, self.matrix.indices, self.matrix.indptr, self.keys)
        return sum(int(part.nbytes) for part in parts)

    @cached_property
    def item_counts(self) -> Indices:
        """How many inputs cover each item, (P,)."""
        return np.bincount(self.matrix.indices, minlength=len(self.keys))

    @property
    def exclusive(self) -> bool:
        """Whether no input covers more than one item."""
        return bool((np.diff(self.matrix.indptr) <= 1).all())

    def coverage(self, rows: ArrayLike | None = None) -> int:
        """Return how many distinct items some inputs cover together.

        Args:
            rows: Indices or a mask of inputs; None: all of them.
        """
        if rows is None:
            return len(self.keys)
        seen = np.zeros(len(self.keys), dtype=bool)
        seen[self.select(rows).indices] = True
        return int(seen.sum())

    def select(self, rows: ArrayLike) -> csr_array:
        """Return the table of some inputs (indices or a mask), columns as they are.

        Raises:
            SettingsError: They name no inputs of the table.
        """
        return self.matrix[chosen_rows(rows, len(self))]

    def only(self, rows: ArrayLike) -> Incidence:
        """Return the table of some inputs, without the items that none of them covers."""
        part = self.select(rows)
        items = RowItems(np.diff(part.indptr), self.keys[part.indices])
        return Incidence.joined([items], self.total)

    def united(self, groups: Sequence[Sequence[int]]) -> Incidence:
        """Return a table with one line for each group of inputs: the items any of them covers."""
        members = np.fromiter((row for group in groups for row in group), dtype=np.int64)
        starts = np.cumsum([0, *(len(group) for group in groups)])
        of_groups = csr_array(
            (np.ones(len(members), dtype=bool), members, starts), shape=(len(groups), len(self))
        )
        united = (of_groups @ self.matrix).tocsr()
        items = RowItems(np.diff(united.indptr), united.indices)
        table = Incidence.joined([items], self.total, len(self.keys))
        return Incidence(table.matrix, self.keys[table.keys], self.total)

    def growth(self, order: ArrayLike | None = None) -> Indices:
        """Return how many items the first 1, 2, ... inputs cover, (N,).

        Args:
            order: All inputs, or some, in the order in which they are added; None: as they are.

        Raises:
            SettingsError: They name no inputs of the table.
        """
        chosen = np.arange(len(self)) if order is None else chosen_rows(order, len(self))
        place = np.full(len(self), len(chosen), dtype=np.int64)
        # An input that is named twice counts where it comes first.
        place[chosen[::-1]] = np.arange(len(chosen))[::-1]
        first = self._first_places(place)
        return np.cumsum(np.bincount(first, minlength=len(chosen) + 1)[: len(chosen)])

    def greedy(self, count: int | None = None) -> tuple[Indices, Indices]:
        """Return the inputs that add most, one after another, and what each adds, (n,) both.

        Each choice is the input with the most items not yet covered (of equal ones the first);
        no other n inputs cover more than 1 / (1 - 1/e) = 1.58 times as many (Nemhauser, Wolsey,
        Fisher 1978).

        Args:
            count: How many at most; None: until nothing is added.
        """
        starts, items = self.matrix.indptr, self.matrix.indices
        open_items = np.ones(len(self.keys), dtype=bool)
        left = np.diff(starts).astype(np.int64)  # what each input adds by now
        rows: list[int] = []
        gains: list[int] = []
        while len(left) and (count is None or len(rows) < count):
            row = int(left.argmax())
            if not left[row]:
                break
            own = items[starts[row] : starts[row + 1]]
            new = own[open_items[own]]
            open_items[new] = False
            if self.item_counts[new].max() > 1:
                self._take_off(left, new)
            else:
                left[row] = 0
            rows.append(row)
            gains.append(len(new))
        return np.array(rows, dtype=np.int64), np.array(gains, dtype=np.int64)

    def _take_off(self, left: Indices, taken: NDArray[np.int32]) -> None:
        """Let every input add one less, (N,), for each of the `taken` items that it covers."""
        starts, rows = self._by_item
        begins, sizes = starts[taken], starts[taken + 1] - starts[taken]
        shifts = np.repeat(begins - np.cumsum(sizes) + sizes, sizes)
        np.subtract.at(left, rows[np.arange(len(shifts)) + shifts], 1)

    def merge(self, other: Incidence, rows: ArrayLike) -> Incidence:
        """Return the table with the chosen rows of `other` below."""
        added = other.select(rows)
        old = RowItems(np.diff(self.matrix.indptr), self.keys[self.matrix.indices])
        new = RowItems(np.diff(added.indptr), other.keys[added.indices])
        return Incidence.joined([old, new], self.total or other.total)

    def _first_places(self, place: Indices) -> Indices:
        """Return the smallest place (N,) among the inputs that cover each item, (P,)."""
        if not len(self.keys):
            return np.zeros(0, dtype=np.int64)
        starts, rows = self._by_item
        return np.asarray(np.minimum.reduceat(place[rows], starts[:-1]))

    @cached_property
    def _by_item(self) -> tuple[Indices, Indices]:
        """Where the inputs of each item begin and end (P + 1,), and the inputs, item after item."""
        columns = self.matrix.tocsc()
        return columns.indptr.astype(np.int64), columns.indices


def _numbered(items: Indices, possible: int) -> tuple[Indices, NDArray[np.int32]]:
    """Return the distinct items in ascending order (P,), and the place of each among them (E,)."""
    if not 0 < possible <= _MAPPED:
        keys, places = np.unique(items, return_inverse=True)
        return keys, places.astype(np.int32)
    occurs = np.zeros(possible, dtype=bool)
    occurs[items] = True
    number = np.cumsum(occurs, dtype=np.int32)
    number -= 1
    return np.flatnonzero(occurs), number[items]
