"""What a number is compared with: random suites of the same size, and the ladder over m."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RandomSuite:
    """What N random distinct inputs cover, of the reference or of held-out data (`idc_null`).

    Attributes:
        inputs: N, the number of distinct inputs compared with.
        expected: Expected number of covered items.
        sd: Its standard deviation.
        low: 1st percentile of covered items (normal with continuity and skewness correction).
        high: 99th percentile.
        comparable: False when N exceeds the reference; the note then says why.
        covered: What the suite itself covers: of IDC among the items the reference reaches, unless
            held-out data are drawn from; else all of it.
        note: A sentence, or empty.
        method: "closed form", or the seeded random orders that the spread was estimated from.
        source: The held-out data drawn from; empty: the reference itself.
    """

    inputs: int
    expected: float
    sd: float
    low: int
    high: int
    comparable: bool
    covered: int
    note: str = ""
    method: str = ""
    source: str = ""

    @property
    def effect(self) -> float | None:
        """Covered divided by expected: the size of the difference, whatever its significance."""
        return self.covered / self.expected if self.comparable and self.expected else None


@dataclass(frozen=True)
class LadderStep:
    """One row of the ladder over m: the same suite measured with m important neurons."""

    m: int
    total: int
    reach: int
    fit_reached: int
    covered: int
    covered_reached: int
    share: float
    random: RandomSuite | None = None
