"""How often each combination occurs in the reference, by class: the source of reach and share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.errors import ProfileError
from pytest_deepimportance.statistics.prefix_counts import (
    NO_EXAMPLE,
    Codes,
    Counts,
    PrefixCounts,
)
from pytest_deepimportance.statistics.rows import group_starts, sorted_order

_PENDING_ROWS = 1 << 15


@dataclass(frozen=True, eq=False)
class CombinationCounts:
    """Reference rows grouped by (combination, class), over all usable rows.

    Groups are in ascending order of codes, then class, so equal rows give equal arrays in whatever
    order they came.

    Attributes:
        codes: Cluster ids of all clustered neurons, (G, M).
        classes: True class, else predicted class, -1 unknown, (G,).
        counts: Rows of the group, (G,).
        fit_counts: Of these, rows that importance and clusters were fitted on, (G,).
        first_index: The smallest index of its rows, NO_EXAMPLE if not kept, (G,).
    """

    codes: Codes
    classes: NDArray[np.int32]
    counts: Counts
    fit_counts: Counts
    first_index: Counts

    @classmethod
    def from_rows(
        cls,
        codes: Codes,
        classes: NDArray[np.integer],
        fitted: NDArray[np.bool_],
        indices: NDArray[np.integer] | None = None,
    ) -> CombinationCounts:
        """Group rows: combinations (N, M), classes, fitted or not, and indices, (N,) each."""
        none = np.full(len(codes), NO_EXAMPLE)
        return cls._grouped(
            codes,
            np.asarray(classes, dtype=np.int32),
            np.ones(len(codes), dtype=np.int64),
            np.asarray(fitted, dtype=np.int64),
            np.asarray(none if indices is None else indices, dtype=np.int64),
        )

    @classmethod
    def empty(cls, width: int) -> CombinationCounts:
        """Return the counts of no rows with `width` neurons."""
        nothing = np.zeros(0, dtype=np.int64)
        return cls.from_rows(np.zeros((0, width), dtype=np.uint8), nothing, nothing.astype(bool))

    @property
    def width(self) -> int:
        """Clustered neurons (M)."""
        return int(self.codes.shape[1])

    @property
    def rows(self) -> int:
        """All usable reference rows (R)."""
        return int(self.counts.sum())

    def merge(self, other: CombinationCounts) -> CombinationCounts:
        """Return the counts of the rows of both.

        Raises:
            ProfileError: The two have different numbers of neurons.
        """
        return self.merge_all([self, other])

    @classmethod
    def merge_all(cls, parts: list[CombinationCounts]) -> CombinationCounts:
        """Return the counts of the rows of all `parts` (at least one).

        Raises:
            ProfileError: They have different numbers of neurons.
        """
        widths = sorted({part.width for part in parts})
        if len(widths) > 1:
            raise ProfileError(
                f"combination counts of {' and '.join(map(str, widths))} neurons cannot be merged",
                "They come from different profiles.",
            )
        return cls._grouped(
            np.concatenate([part.codes for part in parts]),
            np.concatenate([part.classes for part in parts]),
            np.concatenate([part.counts for part in parts]),
            np.concatenate([part.fit_counts for part in parts]),
            np.concatenate([part.first_index for part in parts]),
        )

    def prefix(self, m: int) -> PrefixCounts:
        """Return the counts by the first `m` neurons (1..M)."""
        codes = self.codes[:, :m]
        # Groups are sorted by their codes, so equal prefixes are neighbours.
        starts = group_starts(codes)
        first = np.zeros(len(codes), dtype=np.int64)
        first[starts[1:]] = 1
        return PrefixCounts(
            codes=codes[starts],
            counts=_sums(self.counts, starts),
            fit_counts=_sums(self.fit_counts, starts),
            first_index=_smallest_index(self.first_index, starts),
            group_of=np.cumsum(first),
            group_classes=self.classes,
            group_counts=self.counts,
        )

    @classmethod
    def _grouped(
        cls,
        codes: Codes,
        classes: NDArray[np.int32],
        counts: Counts,
        fit_counts: Counts,
        first_index: Counts,
    ) -> CombinationCounts:
        order = sorted_order(np.column_stack([codes, classes]))
        codes, classes = codes[order], classes[order]
        starts = group_starts(np.column_stack([codes, classes]))
        return cls(
            codes=codes[starts],
            classes=classes[starts],
            counts=_sums(counts[order], starts),
            fit_counts=_sums(fit_counts[order], starts),
            first_index=_smallest_index(first_index[order], starts),
        )


class CombinationCounter:
    """Counts combinations over a stream of batches; the order of the batches does not matter."""

    def __init__(self, width: int) -> None:
        self._parts = [CombinationCounts.empty(width)]
        self._pending = 0

    def add(
        self,
        codes: Codes,
        classes: NDArray[np.integer],
        fitted: NDArray[np.bool_],
        indices: NDArray[np.integer] | None = None,
    ) -> None:
        """Add rows: combinations (N, M), classes, fitted or not, and indices, (N,) each."""
        self._parts.append(CombinationCounts.from_rows(codes, classes, fitted, indices))
        self._pending += len(self._parts[-1].counts)
        if self._pending > _PENDING_ROWS:
            self.result()

    def result(self) -> CombinationCounts:
        """Return the counts so far."""
        self._parts = [CombinationCounts.merge_all(self._parts)]
        self._pending = 0
        return self._parts[0]


def _sums(values: Counts, starts: Counts) -> Counts:
    return np.add.reduceat(values, starts) if len(starts) else values[:0]


def _smallest_index(values: Counts, starts: Counts) -> Counts:
    if not len(starts):
        return values[:0]
    largest = np.iinfo(np.int64).max
    smallest = np.minimum.reduceat(np.where(values < 0, largest, values), starts)
    return np.where(smallest == largest, NO_EXAMPLE, smallest)
