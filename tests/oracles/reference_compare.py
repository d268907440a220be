"""Slow twin of a comparison: sets of items before and after."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping


def gained_and_lost(before: Iterable[Hashable], after: Iterable[Hashable]) -> tuple[int, int]:
    """Return how many items are covered now and were not, and the other way round."""
    old, new = set(before), set(after)
    return len(new - old), len(old - new)


def sources(
    tests: Mapping[str, Iterable[Hashable]], others: Iterable[Hashable]
) -> list[tuple[str, int]]:
    """Return tests by the items they cover and nothing among `others` does, most first."""
    known = set(others)
    counts = {name: len(set(items) - known) for name, items in tests.items()}
    return sorted(((n, c) for n, c in counts.items() if c), key=lambda pair: (-pair[1], pair[0]))
