"""What random samples of the reference cover: by enumeration, and by simulation."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations

import numpy as np
from numpy.typing import NDArray


def all_suites(counts: Sequence[int], inputs: int) -> list[int]:
    """Covered combinations of every possible sample of `inputs` rows."""
    rows = [combo for combo, count in enumerate(counts) for _ in range(count)]
    return [len(set(sample)) for sample in combinations(rows, inputs)]


def moments(covered: Sequence[int]) -> tuple[Fraction, Fraction]:
    """Mean and variance of equally likely outcomes, exact."""
    mean = Fraction(sum(covered), len(covered))
    return mean, sum(((Fraction(c) - mean) ** 2 for c in covered), Fraction(0)) / len(covered)


def percentile(covered: Sequence[int], share: Fraction) -> int:
    """The smallest number that at least `share` of the outcomes do not exceed."""
    ordered = sorted(covered)
    return next(c for i, c in enumerate(ordered) if Fraction(i + 1, len(ordered)) >= share)


def simulate(counts: Sequence[int], inputs: int, suites: int, seed: int) -> NDArray[np.int64]:
    """Covered combinations of `suites` random samples without replacement."""
    generator = np.random.default_rng(seed)
    combo_of_row = np.repeat(np.arange(len(counts)), counts)
    result = np.empty(suites, dtype=np.int64)
    for i in range(suites):
        rows = generator.choice(len(combo_of_row), inputs, replace=False, shuffle=False)
        result[i] = np.count_nonzero(np.bincount(combo_of_row[rows], minlength=len(counts)))
    return result
