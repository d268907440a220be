"""What was left out, by the test or fixture during which it happened.

A recorder adds up over its process. How many tests a process runs depends on the distribution, and
a session fixture runs in every worker; kept by owner, the numbers merge to those of a serial run.
"""

from __future__ import annotations

from collections import Counter

from pytest_deepimportance.recording.counters import Counters


class Tally:
    """Books what a recorder's totals grow by to the owner of that time.

    Args:
        totals: The recorder's own, which only grow.
    """

    def __init__(self, totals: Counters) -> None:
        self._totals = totals
        self._settled_at = 0
        self._settled: dict[str, int] = {}
        self._owner = ""
        self._booked: dict[str, Counter[str]] = {}
        self._unsent: set[str] = set()

    def turn(self, owner: str) -> None:
        """Let what happens from now on belong to `owner`, the key of a block or a test's id."""
        self._settle()
        self._owner = owner

    def unsent(self) -> dict[str, dict[str, int]]:
        """Return the sums of all owners whose sums changed since the last call."""
        self._settle()
        if not self._unsent:
            return {}
        changed = {owner: dict(self._booked[owner]) for owner in sorted(self._unsent)}
        self._unsent.clear()
        return changed

    def _settle(self) -> None:
        if self._totals.changes == self._settled_at:
            return
        self._settled_at = self._totals.changes
        counts = self._totals.counts()
        grown = {n: c - self._settled.get(n, 0) for n, c in counts.items()}
        self._booked.setdefault(self._owner, Counter()).update(
            {n: c for n, c in grown.items() if c}
        )
        self._settled = counts
        self._unsent.add(self._owner)
