"""What each test adds to the coverage, as plain frozen data."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Contribution:
    """One marked test.

    Attributes:
        covers: Items that it covers.
        only: Those of them that no other test covers: what is lost without it.
        place: Its place in the subset that covers all the rest does, from 1; 0: it is not in it.
        adds: Items that it adds to those before it in the subset.
    """

    nodeid: str
    suite: str
    inputs: int
    covers: int
    only: int
    place: int = 0
    adds: int = 0


@dataclass(frozen=True)
class Contributions:
    """Every test that counts, and a small subset that covers as much.

    Attributes:
        criteria: What the items belong to.
        left_out: Criteria of which a test by itself covers no items (CC, NLC).
        items: Items that all tests cover together.
        largest: The most that one test covers.
        tests: By node id.
        fewest: A number of tests below which no subset covers as much, from the table of tests
            and items; 0 where it was not found.
    """

    criteria: tuple[str, ...]
    left_out: tuple[str, ...]
    items: int
    largest: int
    tests: tuple[Contribution, ...]
    fewest: int = 0

    @property
    def subset(self) -> tuple[Contribution, ...]:
        """The tests of the subset, in the order in which they were chosen."""
        chosen = [test for test in self.tests if test.place]
        return tuple(sorted(chosen, key=lambda test: test.place))

    @property
    def idle(self) -> tuple[Contribution, ...]:
        """Tests that add nothing to the subset."""
        return tuple(test for test in self.tests if not test.place)

    @property
    def bound(self) -> float:
        """How many times larger than the smallest possible the subset can be, ln(n) + 1.

        Chvatal 1979: the greedy choice takes at most H(n) <= ln(n) + 1 times as many sets as any
        cover, n being the size of the largest set.
        """
        return math.log(self.largest) + 1 if self.largest else 1.0

    @property
    def at_least(self) -> int:
        """A number of tests below which no subset covers as much."""
        if not self.items:
            return 0
        harmonic = sum(1 / n for n in range(1, min(self.largest, 10_000) + 1))
        if self.largest > 10_000:
            harmonic = self.bound
        needed = sum(test.only > 0 for test in self.tests)
        counted = math.ceil(self.items / self.largest)
        return max(self.fewest, needed, counted, math.ceil(len(self.subset) / harmonic - 1e-9))
