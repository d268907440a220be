"""What is said of a selector, row by row: wins, parts that are right, intervals.

Wilson, "Probable inference" (1927); the ratio estimator and its variance over clusters: Cochran,
"Sampling Techniques" (1977), section 9A; Student's distribution by summing its density.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist


def winners(gains: Sequence[float]) -> set[int]:
    """The methods with the largest gain (equal to nine digits), none where no gain is above 0."""
    best = max(gains)
    return {at for at, gain in enumerate(gains) if best > 0 and gain >= best - 1e-9 * best}


def wilson(right: Sequence[bool], inputs: Sequence[int]) -> tuple[float, float, float]:
    """Part that is right; ends: the p0 at which |p - p0| is z standard errors of p0, by bisection."""
    p, n = sum(right) / len(right), len(set(inputs))
    z = NormalDist().inv_cdf(0.975)

    def far(p0: float) -> bool:
        return abs(p - p0) > z * math.sqrt(p0 * (1 - p0) / n)

    ends = []
    for edge in (0.0, 1.0):
        inside, outside = p, edge
        if not far(edge) and p == edge:
            ends.append(edge)
            continue
        for _ in range(200):
            middle = (inside + outside) / 2
            inside, outside = (inside, middle) if far(middle) else (middle, outside)
        ends.append(inside)
    return p, ends[0], ends[1]


def student(part: float, dof: int) -> float:
    """The value that a Student variable stays below with chance `part`, by Simpson and bisection."""
    front = math.exp(math.lgamma((dof + 1) / 2) - math.lgamma(dof / 2)) / math.sqrt(dof * math.pi)

    def below(x: float) -> float:
        steps = 2000
        width = x / steps
        total = 0.0
        for step in range(steps + 1):
            weight = 1 if step in (0, steps) else 4 if step % 2 else 2
            total += weight * front * (1 + (step * width) ** 2 / dof) ** (-(dof + 1) / 2)
        return 0.5 + total * width / 3

    low, high = 0.0, 50.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) < part else (low, middle)
    return low


def clustered(values: Sequence[float], inputs: Sequence[int]) -> tuple[float, float, float]:
    """Mean over rows and its interval, where rows of one input are not independent."""
    names = sorted(set(inputs))
    mean = sum(values) / len(values)
    squares = 0.0
    for name in names:
        own = [value for value, belongs in zip(values, inputs, strict=True) if belongs == name]
        squares += (sum(own) - mean * len(own)) ** 2
    variance = len(names) / (len(names) - 1) * squares / len(values) ** 2
    half = student(0.975, len(names) - 1) * math.sqrt(variance)
    return mean, mean - half, mean + half


def variance(values: Sequence[float]) -> float:
    """Sum of squared deviations from the mean, divided by one less than their number."""
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values) / (len(values) - 1)
