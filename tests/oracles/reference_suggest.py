"""Slow twin of the ranking of a pool: sets and loops, from the definition of the greedy choice."""

from __future__ import annotations

from collections.abc import Hashable, Sequence


def greedy(
    covered: set[Hashable], pool: Sequence[set[Hashable]], preference: Sequence[int], count: int
) -> list[tuple[int, int]]:
    """Return (row, items added) one after another; rows that add nothing are not chosen.

    Args:
        preference: Rows, the most wanted first: it decides between equal gains.
    """
    have, chosen = set(covered), []
    left = list(preference)
    while left and len(chosen) < count:
        best = max(len(pool[row] - have) for row in left)
        if best == 0:
            break
        row = next(row for row in left if len(pool[row] - have) == best)
        left.remove(row)
        have |= pool[row]
        chosen.append((row, best))
    return chosen


def added(covered: set[Hashable], pool: Sequence[set[Hashable]], rows: Sequence[int]) -> int:
    """Return how many items some rows add to what is covered."""
    union: set[Hashable] = set()
    for row in rows:
        union |= pool[row]
    return len(union - covered)
