"""Rankings of neurons compared by hand: sets are enumerated, ranks are counted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations


def top(scores: Sequence[float], m: int) -> set[int]:
    """The m largest scores, of equal ones those of the smaller index, one by one, without zeros."""
    left, chosen = list(range(len(scores))), set()
    while left and len(chosen) < m:
        best = left[0]
        for index in left:
            if scores[index] > scores[best]:
                best = index
        chosen.add(best)
        left.remove(best)
    return {index for index in chosen if scores[index] != 0}


def jaccard(one: set[int], other: set[int]) -> Fraction:
    """Jaccard (1901): what two sets share, divided by what they hold."""
    shared = [x for x in one if x in other]
    held = list(one) + [x for x in other if x not in one]
    return Fraction(len(shared), len(held)) if held else Fraction(1)


def chance(neurons: int, m: int) -> Fraction:
    """The mean Jaccard index over every second set of m neurons, the first one fixed."""
    first = set(range(m))
    values = [jaccard(first, set(second)) for second in combinations(range(neurons), m)]
    return sum(values, Fraction(0)) / len(values)


def ranks(values: Sequence[float]) -> list[Fraction]:
    """Rank of each value: one more than are smaller, equal ones sharing the mean of their places."""
    return [
        1 + sum(other < own for other in values) + Fraction(sum(o == own for o in values) - 1, 2)
        for own in values
    ]


def spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman (1904): Pearson's correlation of the ranks, None where one of them is constant."""
    a, b = ranks(first), ranks(second)
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    both = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True))
    size = sum((x - mean_a) ** 2 for x in a) * sum((y - mean_b) ** 2 for y in b)
    return float(both) / math.sqrt(size) if size else None


def common(scores: Sequence[Sequence[float]], m: int) -> list[int]:
    """For each neuron, how many classes have it among their m largest."""
    return [sum(neuron in top(own, m) for own in scores) for neuron in range(len(scores[0]))]


def shares(layers: dict[str, Sequence[float]]) -> dict[str, float]:
    """Each layer's part of the sum of all absolute scores."""
    whole = sum(abs(x) for scores in layers.values() for x in scores)
    return {name: sum(map(abs, own)) / whole for name, own in layers.items()}


def half(scores: Sequence[float]) -> int:
    """The size of the smallest set of neurons that holds half of the absolute scores."""
    sizes = [abs(x) for x in scores]
    for count in range(1, len(sizes) + 1):
        if any(2 * sum(chosen) >= sum(sizes) > 0 for chosen in combinations(sizes, count)):
            return count
    return 0
