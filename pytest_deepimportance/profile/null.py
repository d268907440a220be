"""What random inputs cover, as a profile holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from pytest_deepimportance.statistics.combination_counts import CombinationCounts
from pytest_deepimportance.statistics.random_growth import RandomGrowth

COUNT_FIELDS = ("codes", "classes", "counts", "fit_counts", "first_index")


@dataclass(frozen=True)
class Null:
    """The yardstick beside a suite: random inputs of the null data.

    Attributes:
        source: What the held-out data are; empty: the null data are the reference itself, which
            the model may know by heart.
        growth: By criterion other than IDC, what random inputs cover.
        counts: Combination counts of held-out data, by space name; empty without such data (the
            profile's own counts serve then).
    """

    source: str = ""
    growth: Mapping[str, RandomGrowth] = field(default_factory=dict)
    counts: Mapping[str, CombinationCounts] = field(default_factory=dict)

    def described(self) -> tuple[tuple[str, str], ...]:
        """Return what is held, as (name, text)."""
        names = [*(["IDC"] if self.counts else []), *self.growth]
        if not names:
            return ()
        text = f"{', '.join(names)}, drawn from {self.source or 'the reference'}"
        return (("random suites", text),)

    def to_parts(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return plain data and arrays that `from_parts` reads back."""
        plain: dict[str, Any] = {"source": self.source, "growth": {}, "counts": list(self.counts)}
        arrays: dict[str, NDArray[Any]] = {}
        for name, growth in self.growth.items():
            plain["growth"][name], own = growth.to_arrays()
            arrays |= {f"growth:{name}:{key}": values for key, values in own.items()}
        for number, counts in enumerate(self.counts.values()):
            arrays |= {f"counts:{number}:{key}": getattr(counts, key) for key in COUNT_FIELDS}
        return plain, arrays

    @classmethod
    def from_parts(cls, plain: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Null:
        """Rebuild from `to_parts` data."""

        def part(prefix: str) -> dict[str, NDArray[Any]]:
            return {k.removeprefix(prefix): a for k, a in arrays.items() if k.startswith(prefix)}

        growth = {
            name: RandomGrowth.from_arrays(data, part(f"growth:{name}:"))
            for name, data in plain["growth"].items()
        }
        counts = {
            name: CombinationCounts(**part(f"counts:{number}:"))
            for number, name in enumerate(plain["counts"])
        }
        return cls(plain["source"], growth, counts)
