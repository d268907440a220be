"""The optimal partitions of sorted numbers into k contiguous groups, for several k at once.

Dynamic programming: the best t groups of the first j values end in a last group [i, j). The best i
grows with j, so all j are solved by divide and conquer: O(k n log n). The recursion is run level by
level, all segments of a level in one numpy sweep.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Partition:
    """One optimal partition.

    Attributes:
        cuts: Index of the first distinct value of every group but the first, (k - 1,).
        centroids: Means of the groups, (k,).
        sizes: Values per group, counted with multiplicity.
        inertia: Sum of squared distances to the group means.
    """

    cuts: Integers
    centroids: Floats
    sizes: tuple[int, ...]
    inertia: float


def best_partitions(values: Floats, counts: Integers, ks: Iterable[int]) -> list[Partition]:
    """Return the partition with the least inertia for each of `ks`.

    Args:
        values: Distinct values, ascending, (n,).
        counts: How often each occurs, (n,).
        ks: Numbers of groups, each in 1..n. Of equally good partitions the one with the smallest
            cuts (compared from the last one) is returned.
    """
    mean = float(np.average(values, weights=counts))
    centred = values - mean
    # A power of two as unit keeps squares of tiny or huge numbers representable and is exact.
    exponent = int(np.frexp(np.abs(centred).max())[1])
    centred = np.ldexp(centred, -exponent)
    table = _Table(centred, counts)
    return [_describe(centred, counts, table.cuts(k), mean, exponent) for k in ks]


class _Table:
    """The dynamic programme, one row of the table per number of groups, made when needed.

    Minimal inertia is maximal sum of (sum of group)^2 / size, because the two add up to the sum of
    squares; that form needs no squares of values and so one lookup less per candidate.
    """

    def __init__(self, centred: Floats, counts: Integers) -> None:
        self.n = len(centred)
        self.weight = np.concatenate([[0.0], np.cumsum(counts, dtype=np.float64)])
        self.total = np.concatenate([[0.0], np.cumsum(centred * counts)])
        first = np.zeros(self.n + 1)
        first[1:] = self.total[1:] ** 2 / self.weight[1:]
        self.best = [first]
        self.start: list[Integers] = [np.zeros(self.n + 1, dtype=np.int64)]

    def cuts(self, k: int) -> Integers:
        """Return the k - 1 cuts of the best partition of all values into k groups."""
        result: list[int] = []
        end = self.n
        for groups in range(k, 1, -1):
            # Only the last column of the last row is needed: a single sweep instead of a row.
            end = self._last_start(groups, end) if groups == k else int(self._row(groups)[end])
            result.append(end)
        return np.array(result[::-1], dtype=np.int64)

    def _last_start(self, groups: int, end: int) -> int:
        self._row(groups - 1)
        starts = np.arange(groups - 1, end)
        return int(starts[np.argmax(self._score(groups, starts, np.full(1, end)))])

    def _row(self, groups: int) -> Integers:
        while len(self.start) < groups:
            self._add_row(len(self.start) + 1)
        return self.start[groups - 1]

    def _score(self, groups: int, starts: Integers, ends: Integers) -> Floats:
        """Score of the best partition of the first `ends` values whose last group is given."""
        difference: Floats = self.total[ends] - self.total[starts]
        difference *= difference
        difference /= self.weight[ends] - self.weight[starts]
        difference += self.best[groups - 2][starts]
        return difference

    def _add_row(self, groups: int) -> None:
        best = np.full(self.n + 1, -np.inf)
        start = np.zeros(self.n + 1, dtype=np.int64)
        # Segments of ends still to solve, and the range of starts that each may use.
        ends = (np.array([groups]), np.array([self.n]))
        starts = (np.array([groups - 1]), np.array([self.n - 1]))
        while len(ends[0]):
            middle = (ends[0] + ends[1]) // 2
            lowest, highest = starts[0], np.minimum(starts[1], middle - 1)
            best[middle], start[middle] = self._solve(groups, middle, lowest, highest)
            ends, starts = _halves(ends, starts, middle, start[middle])
        self.best.append(best)
        self.start.append(start)

    def _solve(
        self, groups: int, ends: Integers, lowest: Integers, highest: Integers
    ) -> tuple[Floats, Integers]:
        """Return the best score and the smallest best start for each end."""
        lengths = highest - lowest + 1
        offsets = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        candidates = np.arange(int(lengths.sum())) + np.repeat(lowest - offsets, lengths)
        scores = self._score(groups, candidates, np.repeat(ends, lengths))
        top = np.maximum.reduceat(scores, offsets)
        hits = np.flatnonzero(scores == np.repeat(top, lengths))
        first = hits[np.searchsorted(hits, offsets)]
        return top, candidates[first]


def _halves(
    ends: tuple[Integers, Integers],
    starts: tuple[Integers, Integers],
    middle: Integers,
    chosen: Integers,
) -> tuple[tuple[Integers, Integers], tuple[Integers, Integers]]:
    """Split each segment at its solved middle; the chosen start bounds the starts of both sides."""
    low_ends = np.concatenate([ends[0], middle + 1])
    high_ends = np.concatenate([middle - 1, ends[1]])
    low_starts = np.concatenate([starts[0], chosen])
    high_starts = np.concatenate([chosen, starts[1]])
    keep = low_ends <= high_ends
    return (low_ends[keep], high_ends[keep]), (low_starts[keep], high_starts[keep])


def _describe(
    centred: Floats, counts: Integers, cuts: Integers, mean: float, exponent: int
) -> Partition:
    """Measure a partition from the values themselves, not from differences of long sums."""
    centroids, sizes, inertia = [], [], 0.0
    for low, high in pairwise([0, *cuts.tolist(), len(centred)]):
        group, weights = centred[low:high], counts[low:high]
        centre = float(np.average(group, weights=weights))
        centroids.append(mean + float(np.ldexp(centre, exponent)))
        sizes.append(int(weights.sum()))
        inertia += float((weights * (group - centre) ** 2).sum())
    return Partition(
        cuts, np.array(centroids), tuple(sizes), float(np.ldexp(inertia, 2 * exponent))
    )
