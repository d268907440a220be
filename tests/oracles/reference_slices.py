"""Slow twin of slices: sets of inputs by (name, value), from the definition."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from itertools import combinations

Key = frozenset[tuple[str, str]]


def members(rows: Iterable[tuple[Hashable, Mapping[str, str]]]) -> dict[Key, set[Hashable]]:
    """The distinct inputs of each slice and of each pair; a row is an input and its tags."""
    found: dict[Key, set[Hashable]] = {}
    for item, tags in rows:
        for size in (1, 2):
            for key in combinations(tags.items(), size):
                found.setdefault(frozenset(key), set()).add(item)
    return found


def share(combinations_seen: set[tuple[int, ...]], reference: list[tuple[int, ...]]) -> int:
    """Reference rows whose combination was seen."""
    return sum(row in combinations_seen for row in reference)
