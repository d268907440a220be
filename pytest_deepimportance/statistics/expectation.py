"""What a random reference sample of the same size covers: the yardstick beside every IDC.

The sample is drawn without replacement, so combination c with n_c of R rows stays uncovered with
the hypergeometric probability q(n_c) = C(R - n_c, N) / C(R, N). Mean, variance and skewness of the
number of covered combinations follow from q of single counts, of sums of two and of sums of three.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

_POINT = NormalDist().inv_cdf(0.99)
_LARGEST_SKEWNESS = 1.0
"""Beyond it the skewness correction overshoots (nearly everything is covered)."""
_NEGLIGIBLE = 1e-18


@dataclass(frozen=True)
class Expectation:
    """Combinations that N random distinct reference rows cover.

    Attributes:
        expected: Mean.
        sd: Standard deviation.
        low, high: 1st and 99th percentile: the smallest number that is not exceeded in at least
            1 % (99 %) of the samples, by a normal approximation with continuity and skewness
            correction, within what is possible.
        comparable: False when there are more inputs than reference rows.
        note: Says why it is not comparable, else empty.
    """

    expected: float
    sd: float
    low: int
    high: int
    comparable: bool = True
    note: str = ""


@dataclass(frozen=True)
class _Moments:
    mean: float
    variance: float
    third: float
    least: int
    most: int
    note: str = ""


def random_suite(counts: Counts, inputs: int, without: int = 0) -> Expectation:
    """Return what `inputs` random distinct reference rows cover.

    Args:
        counts: Reference rows of each combination that occurs, (H,), all positive.
        inputs: N, distinct inputs of the suite.
        without: Reference rows that cover nothing.
    """
    return random_suites([(counts, inputs)], without)


def random_suites(parts: Sequence[tuple[Counts, int]], without: int = 0) -> Expectation:
    """Return what independent random samples of several references cover together.

    Args:
        parts: For each reference (a class, for instance) the counts and the number of inputs.
        without: Rows of each reference that cover nothing.
    """
    moments = [
        _moments(np.asarray(counts, dtype=np.int64), inputs, without) for counts, inputs in parts
    ]
    mean = math.fsum(part.mean for part in moments)
    variance = math.fsum(part.variance for part in moments)
    third = math.fsum(part.third for part in moments)
    sd = math.sqrt(variance)
    skewness = third / sd**3 if sd > 0 else 0.0
    if abs(skewness) > _LARGEST_SKEWNESS:
        skewness = 0.0
    least, most = sum(part.least for part in moments), sum(part.most for part in moments)
    low, high = (
        min(max(math.ceil(mean + sd * _cornish_fisher(z, skewness) - 0.5), least), most)
        for z in (-_POINT, _POINT)
    )
    notes = [part.note for part in moments if part.note]
    return Expectation(mean, sd, low, high, not notes, "; ".join(notes))


def for_other_inputs(found: Expectation, inputs: int, rows: int) -> Expectation:
    """Return what to expect of a suite that was not drawn from the null rows themselves.

    The mean stays (rarefaction is unbiased), but both samples vary: with f = N / R, subsets of the
    same R rows vary less than independent samples by about the factor 1 - f in their variance, and
    the null rows' own variation adds about f of it. Beyond half of the rows nothing is said.

    Args:
        inputs: N, distinct inputs of the suite.
        rows: R, the null rows.
    """
    if not found.comparable or not inputs:
        return found
    if 2 * inputs > rows:
        note = f"not comparable: {inputs:,} inputs, and only {rows:,} to draw from (twice as many "
        return dataclasses.replace(found, comparable=False, note=note + "are needed)")
    part = inputs / rows
    wider = math.sqrt((1 + part) / (1 - part))
    return dataclasses.replace(
        found,
        sd=found.sd * wider,
        low=max(math.floor(found.expected - wider * (found.expected - found.low)), 0),
        high=math.ceil(found.expected + wider * (found.high - found.expected)),
    )


def uncovered_probability(sizes: NDArray[np.int64], rows: int, inputs: int) -> Floats:
    """Return q(n), the chance that `inputs` of `rows` rows miss all of n given ones.

    q(n) is the product over i < n of 1 - N / (R - i), and 0 when n + N > R.
    """
    return _Survival(rows, inputs, int(sizes.max(initial=0)))(sizes)


class _Survival:
    """q(n) for all n up to `largest`, from one cumulative sum of logarithms."""

    def __init__(self, rows: int, inputs: int, largest: int) -> None:
        self.limit = min(largest, rows - inputs)
        steps = np.log1p(-inputs / (rows - np.arange(self.limit, dtype=np.float64)))
        self.table = np.exp(np.concatenate([[0.0], np.cumsum(steps)]))

    def __call__(self, sizes: NDArray[np.int64]) -> Floats:
        return np.where(sizes <= self.limit, self.table[np.minimum(sizes, self.limit)], 0.0)


def mean_covered(sizes: Counts, number: Counts, rows: int, inputs: int) -> float:
    """Return how many items `inputs` of `rows` random rows cover on average.

    Exact whether or not a row covers several items.

    Args:
        sizes, number: How many rows cover an item, and of how many items that is true, (G,) each.
    """
    covered = 1 - uncovered_probability(sizes, rows, inputs)
    return float(covered @ number.astype(np.float64))


def _moments(counts: Counts, inputs: int, without: int) -> _Moments:
    rows, reach = int(counts.sum()) + without, len(counts)
    if inputs > rows:
        note = f"not comparable: {inputs:,} inputs, but only {rows:,} reference rows"
        return _Moments(float(reach), 0.0, 0.0, reach, reach, note)
    if inputs == 0 or inputs == rows or not reach:
        covered = reach if inputs else 0
        return _Moments(float(covered), 0.0, 0.0, covered, covered)
    sizes, number = np.unique(counts, return_counts=True)
    q = _Survival(rows, inputs, 3 * int(sizes[-1]))
    # What is covered for certain adds to no moment of the uncovered ones.
    uncertain = q(sizes) > _NEGLIGIBLE
    uncovered, variance, third = _central_moments(sizes[uncertain], number[uncertain], q)
    by_size = np.cumsum(np.sort(counts)[::-1])
    some = inputs - without  # at least so many inputs cover something
    least = int(np.searchsorted(by_size, some)) + 1 if some > 0 else 0
    return _Moments(reach - uncovered, variance, -third, least, min(inputs, reach))


def _central_moments(sizes: Counts, number: Counts, q: _Survival) -> tuple[float, float, float]:
    """Mean, variance and third central moment of the number of uncovered combinations.

    Factorial moments of a sum of indicators are sums of q over ordered tuples of different
    combinations; grouped by size, tuples that repeat a combination are taken off again.
    """
    weight = number.astype(np.float64)
    single, double, triple = q(sizes), q(2 * sizes), q(3 * sizes)
    pair_sizes = sizes[:, None] + sizes
    pair_weight = weight[:, None] * weight
    first = float(weight @ single)
    second = float((pair_weight * q(pair_sizes)).sum() - weight @ double)
    mixed = float((pair_weight * q(pair_sizes + sizes[:, None])).sum())
    all_three = _triples(pair_sizes, pair_weight, sizes, weight, q)
    ordered = all_three - 3 * mixed + 2 * float(weight @ triple)
    raw_second = second + first
    raw_third = ordered + 3 * second + first
    variance = max(raw_second - first**2, 0.0)
    return first, variance, raw_third - 3 * first * raw_second + 2 * first**3


def _triples(
    pair_sizes: Counts, pair_weight: Floats, sizes: Counts, weight: Floats, q: _Survival
) -> float:
    """Sum of q over all ordered triples, pairs of equal sum taken together."""
    by_sum = np.bincount(pair_sizes.ravel(), weights=pair_weight.ravel())
    sums = np.flatnonzero(by_sum)
    return math.fsum(
        float(w * (by_sum[sums] @ q(sums + size)))
        for size, w in zip(sizes.tolist(), weight.tolist(), strict=True)
    )


def _cornish_fisher(z: float, skewness: float) -> float:
    """Quantile of a standardised, slightly skewed variable at normal quantile z."""
    return z + skewness * (z * z - 1) / 6
