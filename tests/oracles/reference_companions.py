"""Slow twins of what stands beside coverage, from the definitions, one input at a time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence


def probabilities(scores: Sequence[float]) -> list[float]:
    """Softmax."""
    powers = [math.exp(score - max(scores)) for score in scores]
    return [power / sum(powers) for power in powers]


def sureness(p: Sequence[float]) -> tuple[float, float, float]:
    """Largest probability, entropy in nats, Gini impurity."""
    entropy = -sum(part * math.log(part) for part in p if part > 0)
    return max(p), entropy, 1 - sum(part**2 for part in p)


def impartiality(predicted: Sequence[int], k: int) -> float:
    """Pielou evenness of the predicted classes: H / ln k."""
    n = len(predicted)
    return -sum(c / n * math.log(c / n) for c in Counter(predicted).values()) / math.log(k)


def cell(occurrences: int) -> str:
    """Which cell of the table of thin ice an input belongs to."""
    if occurrences == 0:
        return "never"
    if occurrences >= 1000:
        return "1000"
    return {1: "1-9", 2: "10-99", 3: "100-999"}[len(str(occurrences))]


def errors_by_cell(occurrences: Sequence[int], wrong: Sequence[bool]) -> dict[str, tuple[int, int]]:
    """(inputs, errors) by cell."""
    found: dict[str, tuple[int, int]] = {}
    for often, error in zip(occurrences, wrong, strict=True):
        inputs, errors = found.get(cell(often), (0, 0))
        found[cell(often)] = (inputs + 1, errors + error)
    return found
