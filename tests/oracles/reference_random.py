"""Coverage of every subset of a few inputs, and of random subsets of many."""

from __future__ import annotations

import random
from collections.abc import Hashable, Sequence
from fractions import Fraction
from itertools import combinations


def all_subsets(inputs: Sequence[set[Hashable]], size: int) -> list[int]:
    return [len(set().union(*chosen)) for chosen in combinations(inputs, size)]


def mean_and_variance(values: Sequence[int]) -> tuple[Fraction, Fraction]:
    mean = Fraction(sum(values), len(values))
    return mean, sum(((value - mean) ** 2 for value in values), Fraction(0)) / len(values)


def random_subsets(
    inputs: Sequence[set[Hashable]], size: int, subsets: int, seed: int
) -> list[int]:
    generator = random.Random(seed)
    return [len(set().union(*generator.sample(inputs, size))) for _ in range(subsets)]
