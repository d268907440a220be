"""Surprise coverage (Kim, Feldt, Yoo, ICSE 2019).

SC = |{i : some x has SA(x) in (U (i - 1) / n, U i / n]}| / n for i = 1..n.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from math import isfinite


def surprise_coverage(values: Iterable[float], upper: float, buckets: int) -> dict[str, int]:
    """Buckets hit, and the finite values at or below 0 and above `upper`, which hit none."""
    finite = [float(value) for value in values if isfinite(value)]
    right_edges = [upper * i / buckets for i in range(1, buckets)] + [upper]
    return {
        "covered": len({bisect_left(right_edges, v) for v in finite if 0 < v <= upper}),
        "below": sum(v <= 0 for v in finite),
        "above": sum(v > upper for v in finite),
    }
