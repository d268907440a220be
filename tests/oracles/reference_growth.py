"""Slow twin of growth curves and cluster hits: plain loops over rows."""

from __future__ import annotations

from collections.abc import Hashable, Sequence


def growth(
    digests: Sequence[Hashable], combinations: Sequence[tuple[int, ...]]
) -> list[tuple[int, int]]:
    """Return (distinct inputs, distinct combinations) after each new input."""
    inputs, seen, points = set(), set(), []
    for digest, combination in zip(digests, combinations, strict=True):
        if digest in inputs:
            continue
        inputs.add(digest)
        seen.add(combination)
        points.append((len(inputs), len(seen)))
    return points


def hits(
    combinations: Sequence[tuple[int, ...]], clusters: Sequence[int], times: Sequence[int]
) -> list[list[int]]:
    """Return for each neuron how many rows fall into each of its clusters."""
    result = [[0] * k for k in clusters]
    for combination, number in zip(combinations, times, strict=True):
        for neuron, cluster in enumerate(combination):
            result[neuron][cluster] += number
    return result
