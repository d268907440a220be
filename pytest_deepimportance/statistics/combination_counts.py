"""How often each combination occurs in the reference, by class: the source of reach and share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.errors import ProfileError
from pytest_deepimportance.statistics.rows import (
    found_in,
    group_starts,
    sorted_order,
)

Codes = NDArray[np.uint8]
Counts = NDArray[np.int64]

NO_EXAMPLE = -1
"""`first_index` of a group whose reference rows are not pointed at."""

_PENDING_ROWS = 1 << 15


@dataclass(frozen=True, eq=False)
class Exercised:
    """What a suite exercises of the combinations that the reference reaches.

    Attributes:
        combinations: Which of them, (H,) bool, in the order of `PrefixCounts.codes`.
        rows: Reference rows that have an exercised combination.
        reference_rows: All usable reference rows.
        classes: For each class its exercised rows and all its rows.
    """

    combinations: NDArray[np.bool_]
    rows: int
    reference_rows: int
    classes: dict[int, tuple[int, int]]

    @property
    def reached(self) -> int:
        """Number of exercised combinations among those the reference reaches."""
        return int(self.combinations.sum())

    @property
    def share(self) -> float:
        """Exercised reference rows divided by all (Good's sample coverage); 0 without rows."""
        return self.rows / self.reference_rows if self.reference_rows else 0.0


@dataclass(frozen=True)
class Missing:
    """Reference rows of one combination that no test exercises.

    Attributes:
        combination: Cluster ids, (m,).
        rows: Reference rows that have it.
        main_class: Their most frequent class (the smaller of equals), None if unknown.
        main_class_rows: How many of them belong to it.
        first_index: One of them, NO_EXAMPLE if not kept.
    """

    combination: tuple[int, ...]
    rows: int
    main_class: int | None
    main_class_rows: int
    first_index: int


@dataclass(frozen=True, eq=False)
class PrefixCounts:
    """The counts by the first m neurons only.

    Attributes:
        codes: Distinct combinations in ascending order, (H, m).
        counts: Usable reference rows of each, (H,).
        fit_counts: Of these, rows that importance and clusters were fitted on, (H,).
        first_index: Index of one reference row of each, NO_EXAMPLE if not kept, (H,).
        group_of, group_classes, group_counts: The (combination, class) groups behind them, (G,).
    """

    codes: Codes
    counts: Counts
    fit_counts: Counts
    first_index: Counts
    group_of: Counts
    group_classes: NDArray[np.int32]
    group_counts: Counts

    @property
    def reach(self) -> int:
        """Combinations that the reference reaches."""
        return len(self.counts)

    @property
    def fit_reached(self) -> int:
        """Combinations that the fitted rows reach."""
        return int((self.fit_counts > 0).sum())

    @property
    def rows(self) -> int:
        """All usable reference rows (R)."""
        return int(self.counts.sum())

    @cached_property
    def class_rows(self) -> dict[int, int]:
        """Rows of each known class, ascending."""
        return self._by_class(np.ones(len(self.counts), dtype=bool))

    def exercise(self, codes: Codes) -> Exercised:
        """Return what a suite with these combinations, (S, m), exercises."""
        hit = found_in(self.codes, codes)
        rows = self._by_class(hit)
        classes = {c: (rows.get(c, 0), total) for c, total in self.class_rows.items()}
        return Exercised(hit, int(self.counts[hit].sum()), self.rows, classes)

    def share(self, codes: Codes) -> float:
        """Return the share of the reference rows whose combination is among `codes`, (S, m)."""
        return self.exercise(codes).share

    def missing(self, exercised: Exercised, limit: int) -> tuple[Missing, ...]:
        """Return the combinations not exercised that most reference rows have, largest first."""
        absent = np.flatnonzero(~exercised.combinations)
        largest = absent[np.argsort(-self.counts[absent], kind="stable")[:limit]]
        return tuple(self._missing(int(index)) for index in largest)

    def _missing(self, index: int) -> Missing:
        groups = (self.group_of == index) & (self.group_classes >= 0)
        classes, counts = self.group_classes[groups], self.group_counts[groups]
        rows = np.bincount(classes, weights=counts).astype(np.int64) if len(classes) else counts
        main = int(rows.argmax()) if len(rows) else None
        return Missing(
            combination=tuple(int(code) for code in self.codes[index]),
            rows=int(self.counts[index]),
            main_class=main,
            main_class_rows=0 if main is None else int(rows[main]),
            first_index=int(self.first_index[index]),
        )

    def _by_class(self, combinations: NDArray[np.bool_]) -> dict[int, int]:
        chosen = combinations[self.group_of] & (self.group_classes >= 0)
        rows = np.bincount(self.group_classes[chosen], weights=self.group_counts[chosen])
        return {int(c): int(rows[c]) for c in np.flatnonzero(rows)}


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
