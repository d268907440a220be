"""Two samples of categories compared by hand: Pearson's chi-square, cell by cell, in fractions.

Pearson (1900); cells with a small expectation pooled as in Cochran, "Some methods for strengthening
the common chi-square tests" (Biometrics 1954). The tail of the chi-square distribution is the
textbook recursion over the degrees of freedom, from erfc and exp.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

LEAST = 5


def tail(statistic: float, dof: int) -> float:
    """The chance that a chi-square variable of `dof` degrees of freedom is above `statistic`."""
    half = statistic / 2
    if dof == 1:
        return math.erfc(math.sqrt(half))
    if dof == 2:
        return math.exp(-half)
    if not half:
        return 1.0
    step = math.exp((dof / 2 - 1) * math.log(half) - half - math.lgamma(dof / 2))
    return tail(statistic, dof - 2) + step


def homogeneity(before: Sequence[int], now: Sequence[int]) -> tuple[Fraction, int, int, int] | None:
    """Statistic, degrees of freedom, cells and pooled categories; None when not to be judged."""
    cells = [(a, b) for a, b in zip(before, now, strict=True) if a or b]
    whole = (sum(a for a, _ in cells), sum(b for _, b in cells))
    if not whole[0] or not whole[1]:
        return None

    def least_expected(cell: tuple[int, int]) -> Fraction:
        return min(Fraction(rows * (cell[0] + cell[1]), sum(whole)) for rows in whole)

    ordered = sorted(cells, key=least_expected)  # stable: of equals the first
    rare = [cell for cell in ordered if least_expected(cell) < LEAST]
    rest = ordered[len(rare) :]
    while rare and rest and sum(map(least_expected, rare)) < LEAST:
        rare.append(rest.pop(0))
    joined = [(sum(a for a, _ in rare), sum(b for _, b in rare))] if rare else []
    final = rest + joined
    if len(final) < 2:
        return None
    statistic = Fraction(0)
    for cell in final:
        for rows, seen in zip(whole, cell, strict=True):
            expected = Fraction(rows * sum(cell), sum(whole))
            statistic += (seen - expected) ** 2 / expected
    return statistic, len(final) - 1, len(final), len(rare)
