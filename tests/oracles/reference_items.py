"""Coverage of subsets of inputs by sets of items, one input at a time."""

from __future__ import annotations

from collections.abc import Hashable, Sequence


def coverage(inputs: Sequence[set[Hashable]], rows: Sequence[int]) -> int:
    return len(set().union(*(inputs[row] for row in rows)))


def growth(inputs: Sequence[set[Hashable]], order: Sequence[int]) -> list[int]:
    return [coverage(inputs, order[: n + 1]) for n in range(len(order))]


def greedy(inputs: Sequence[set[Hashable]], count: int | None = None) -> list[tuple[int, int]]:
    """The input that adds most, the first of equal ones, until nothing is added."""
    covered: set[Hashable] = set()
    chosen: list[tuple[int, int]] = []
    while count is None or len(chosen) < count:
        gains = [len(items - covered) for items in inputs]
        best = max(range(len(inputs)), key=lambda row: (gains[row], -row), default=None)
        if best is None or not gains[best]:
            break
        covered |= inputs[best]
        chosen.append((best, gains[best]))
    return chosen
