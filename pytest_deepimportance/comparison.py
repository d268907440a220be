"""What changed between two runs, as plain frozen data."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

SCHEMA = "deepimportance-comparison"
FORMAT = 1


@dataclass(frozen=True)
class Side:
    """One of the two runs: what it measured, against what."""

    name: str
    created: str
    model: str
    profile: str
    spec: str
    inputs: int
    tests: int
    complete: bool


@dataclass(frozen=True)
class Change:
    """One criterion of one suite before and after.

    Attributes:
        unit: "ratio", "count" or "float".
        before, after: (covered, total); total 0 without one. None where it was not measured.
        share_before, share_after: Exercised and all reference rows, of IDC only.
        gained, lost: Items covered now and not before, and the other way round; None where items
            cannot be matched (another profile, CC and NLC).
    """

    suite: str
    criterion: str
    unit: str
    before: tuple[int | float, int] | None
    after: tuple[int | float, int] | None
    share_before: tuple[int, int] | None = None
    share_after: tuple[int, int] | None = None
    gained: int | None = None
    lost: int | None = None

    @property
    def difference(self) -> Fraction | None:
        """After minus before, exact: of ratios as a ratio; None where one of them is missing."""
        before, after = _value(self.before, self.unit), _value(self.after, self.unit)
        return None if before is None or after is None else after - before

    @property
    def share_difference(self) -> Fraction | None:
        """Share after minus share before, exact."""
        before, after = _value(self.share_before, "ratio"), _value(self.share_after, "ratio")
        return None if before is None or after is None else after - before


@dataclass(frozen=True)
class Source:
    """A test that covers items which no test covered before, or one whose items are lost."""

    nodeid: str
    items: int


@dataclass(frozen=True)
class Comparison:
    """Two runs against each other.

    Attributes:
        same_profile: Whether items can be matched; else only numbers are compared.
        same_model: Whether the weights are equal.
        neurons_before, neurons_after: Important neurons of the headline space, by rank.
        changes: The total first, then suites by name; suites of one run only are included.
        gained_by, lost_with: Tests by the combinations they gained, and those that covered what
            nothing covers now, most first.
        unjudged: Criteria whose numbers mean something else in either run: no verdict on them.
    """

    before: Side
    after: Side
    same_profile: bool
    same_model: bool
    neurons_before: tuple[str, ...]
    neurons_after: tuple[str, ...]
    changes: tuple[Change, ...]
    gained_by: tuple[Source, ...] = ()
    lost_with: tuple[Source, ...] = ()
    notes: tuple[str, ...] = ()
    unjudged: tuple[str, ...] = ()

    @property
    def common_neurons(self) -> int:
        """Important neurons that both runs have."""
        return len(set(self.neurons_before) & set(self.neurons_after))

    def change(self, suite: str, criterion: str) -> Change | None:
        """Return one change."""
        found = (c for c in self.changes if (c.suite, c.criterion) == (suite, criterion))
        return next(found, None)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON-ready data."""
        return {"schema": SCHEMA, "format": FORMAT, **dataclasses.asdict(self)}


def _value(pair: tuple[int | float, int] | None, unit: str) -> Fraction | None:
    if pair is None:
        return None
    covered, total = pair
    if unit != "ratio":
        return Fraction(covered)
    return Fraction(covered) / total if total else Fraction(0)
