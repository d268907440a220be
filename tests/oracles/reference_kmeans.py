"""Optimal one-dimensional k-means by trying every clustering, in exact arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations, pairwise, product


def inertia(groups: Sequence[Sequence[float]]) -> Fraction:
    total = Fraction(0)
    for group in groups:
        values = [Fraction(value) for value in group]
        mean = sum(values, Fraction(0)) / len(values)
        total += sum(((value - mean) ** 2 for value in values), Fraction(0))
    return total


def contiguous_clusterings(values: Sequence[float], k: int) -> list[list[list[float]]]:
    """All ways to cut the sorted distinct values into k runs, each run with its repeats."""
    ordered = sorted(values)
    distinct = sorted(set(ordered))
    result = []
    for cuts in combinations(range(1, len(distinct)), k - 1):
        bounds = [0, *cuts, len(distinct)]
        runs = [set(distinct[a:b]) for a, b in pairwise(bounds)]
        result.append([[value for value in ordered if value in run] for run in runs])
    return result


def best_inertia(values: Sequence[float], k: int) -> Fraction:
    return min(inertia(groups) for groups in contiguous_clusterings(values, k))


def best_inertia_of_any_assignment(values: Sequence[float], k: int) -> Fraction:
    """The definition itself: every assignment of values to k non-empty clusters."""
    best = None
    for labels in product(range(k), repeat=len(values)):
        if len(set(labels)) == k:
            groups = [[v for v, g in zip(values, labels, strict=True) if g == c] for c in range(k)]
            score = inertia(groups)
            best = score if best is None else min(best, score)
    assert best is not None
    return best


def nearest(value: float, centroids: Sequence[float]) -> int:
    """Index of the nearest centroid in exact arithmetic; of equal ones the lower."""
    distances = [abs(Fraction(value) - Fraction(centroid)) for centroid in centroids]
    return distances.index(min(distances))
