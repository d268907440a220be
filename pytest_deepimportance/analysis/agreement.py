"""How alike rankings of neurons are: Jaccard index of the top m, rank correlation."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import numpy as np
from scipy.stats import rankdata

from pytest_deepimportance.importance_results import ClassOverlap, Overlap, ScoreSet


def jaccard(first: Sequence[int], second: Sequence[int]) -> float:
    """Return |A and B| / |A or B|; 1 for two empty sets."""
    one, other = set(first), set(second)
    return len(one & other) / len(one | other) if one | other else 1.0


def chance_jaccard(neurons: int, m: int) -> float:
    """Return the expected Jaccard index of two independent random sets of m of U neurons.

    The size of the intersection is hypergeometric.
    """
    if not m:
        return 1.0
    everything = comb(neurons, m)
    ways = (
        (x / (2 * m - x)) * (comb(m, x) * comb(neurons - m, m - x) / everything)
        for x in range(max(0, 2 * m - neurons), m + 1)
    )
    return float(sum(ways))


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return Spearman's rank correlation, equal values sharing their mean rank.

    None where one of the two is constant: there is no order to compare.
    """
    a, b = (rankdata(values) - (len(values) + 1) / 2 for values in (first, second))
    length = float(np.sqrt((a @ a) * (b @ b)))
    return float(np.clip((a @ b) / length, -1, 1)) if length > 0 else None


def overlap(kind: str, first: ScoreSet, second: ScoreSet, layer: str, m: int) -> Overlap:
    """Compare two rankings of a layer's neurons by their m most important ones and as a whole.

    Args:
        kind: "methods" (on the same data) or "data" (by the same method).
    """
    methods = kind == "methods"
    silent = first.silent(layer) or second.silent(layer)
    return Overlap(
        kind=kind,
        within=first.data if methods else first.method,
        first=first.method if methods else first.data,
        second=second.method if methods else second.data,
        layer=layer,
        m=m,
        jaccard=None if silent else jaccard(first.top(layer, m), second.top(layer, m)),
        chance=chance_jaccard(len(first.scores[layer]), m),
        rank_correlation=rank_correlation(first.scores[layer], second.scores[layer]),
    )


def class_overlap(sets: Sequence[ScoreSet], layer: str, m: int) -> ClassOverlap:
    """Compare the m most important neurons of two or more classes, class against class.

    Each class has such neurons.
    """
    neurons = len(sets[0].scores[layer])
    member = np.zeros((len(sets), neurons), dtype=np.int64)
    for row, found in enumerate(sets):
        member[row, found.top(layer, m)] = 1
    both = member @ member.T
    rows, columns = np.triu_indices(len(sets), 1)
    sizes = both.diagonal()
    values = (both / (sizes[:, None] + sizes - both))[rows, columns]
    names = tuple(found.class_name for found in sets)

    def named(at: int) -> tuple[str, str, float]:
        return names[rows[at]], names[columns[at]], float(values[at])

    return ClassOverlap(
        method=sets[0].method,
        data=sets[0].data,
        layer=layer,
        m=m,
        classes=names,
        common=tuple(member.sum(axis=0).tolist()),
        jaccard=float(values.mean()),
        chance=chance_jaccard(neurons, m),
        most_alike=named(int(values.argmax())),
        least_alike=named(int(values.argmin())),
    )
