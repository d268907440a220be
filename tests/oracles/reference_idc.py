"""IDC from section 1.1 of the paper's definition, with dictionaries and loops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from tests.oracles.reference_kmeans import nearest

Row = Sequence[float]


def combination(row: Row, centroids: Sequence[Sequence[float]]) -> tuple[int, ...]:
    return tuple(nearest(value, c) for value, c in zip(row, centroids, strict=True))


@dataclass
class Idc:
    covered: int
    total: int
    reach: int
    fit_reached: int
    covered_reached: int
    exercised_rows: int
    reference_rows: int
    share_by_class: dict[int, tuple[int, int]]


def idc(
    reference: Sequence[Row],
    classes: Sequence[int],
    fitted: Sequence[bool],
    suite: Sequence[Row],
    centroids: Sequence[Sequence[float]],
) -> Idc:
    """`centroids` holds one list for each important neuron; rows hold one value for each."""
    seen = {combination(row, centroids) for row in suite}
    of_row = [combination(row, centroids) for row in reference]
    reached = set(of_row)
    by_class = {}
    for c in sorted({c for c in classes if c >= 0}):
        own = [combo for combo, label in zip(of_row, classes, strict=True) if label == c]
        by_class[c] = (sum(combo in seen for combo in own), len(own))
    return Idc(
        covered=len(seen),
        total=prod(len(c) for c in centroids),
        reach=len(reached),
        fit_reached=len({combo for combo, fit in zip(of_row, fitted, strict=True) if fit}),
        covered_reached=len(seen & reached),
        exercised_rows=sum(combo in seen for combo in of_row),
        reference_rows=len(of_row),
        share_by_class=by_class,
    )
