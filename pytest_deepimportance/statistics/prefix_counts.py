"""Reference counts by the first m neurons: reach, share, and what no test exercises."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.statistics.rows import found_in

Codes = NDArray[np.uint8]
Counts = NDArray[np.int64]

NO_EXAMPLE = -1
"""`first_index` of a group whose reference rows are not pointed at."""


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
        return self.rows_by_class(np.ones(len(self.counts), dtype=bool))

    def exercise(self, codes: Codes) -> Exercised:
        """Return what a suite with these combinations, (S, m), exercises."""
        hit = found_in(self.codes, codes)
        rows = self.rows_by_class(hit)
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

    def rows_by_class(self, combinations: NDArray[np.bool_]) -> dict[int, int]:
        """Return the rows of each known class that have one of the chosen combinations, (H,)."""
        chosen = combinations[self.group_of] & (self.group_classes >= 0)
        rows = np.bincount(self.group_classes[chosen], weights=self.group_counts[chosen])
        return {int(c): int(rows[c]) for c in np.flatnonzero(rows)}
