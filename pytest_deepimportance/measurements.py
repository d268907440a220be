"""One measured number with all that stands behind it, as plain frozen data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from pytest_deepimportance.yardsticks import RandomSuite


@dataclass(frozen=True)
class CriterionRow:
    """One measured number.

    Attributes:
        criterion: Registry name, "IDC".
        unit: "ratio", "count" or "float".
        covered: Covered items; a number that is no integer for unit "float" only.
        total: All items; exact. 0 for counts and floats, which have no total.
        layer: Layer name, or None for the pooled row of several layers and for scope "global".
        class_name: Class of a per-class row, else None.
        inputs: Distinct inputs that this row was measured on.
        judged: Whether the number says anything; False for one that is not finite too, which then
            is 0 and stands as text under the detail `not_finite`.
        details: Criterion-specific numbers (see docs/json-report.md).
    """

    criterion: str
    unit: str
    covered: int | float
    total: int = 0
    layer: str | None = None
    class_name: str | None = None
    class_index: int | None = None
    inputs: int = 0
    judged: bool = True
    reach: int | None = None
    covered_reached: int | None = None
    exercised_rows: int | None = None
    reference_rows: int | None = None
    random: RandomSuite | None = None
    only_failing: int = 0
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Keep NaN and infinity out: nobody who reads a row has to think of them."""
        if isinstance(self.covered, float) and not math.isfinite(self.covered):
            details = {**self.details, "not_finite": str(self.covered)}
            for name, value in (("covered", 0.0), ("judged", False), ("details", details)):
                object.__setattr__(self, name, value)

    @property
    def key(self) -> str:
        """Name as thresholds spell it: `IDC`, `IDC@fc2`, `IDC:7`, `IDC@fc2:7`."""
        layer = f"@{self.layer}" if self.layer is not None else ""
        label = f":{self.class_name}" if self.class_name is not None else ""
        return f"{self.criterion}{layer}{label}"

    @property
    def value(self) -> float:
        """Covered divided by total (0 for an empty total); the count itself for counts."""
        if self.unit != "ratio":
            return float(self.covered)
        return self.covered / self.total if self.total else 0.0

    @property
    def fraction(self) -> Fraction:
        """The exact value that thresholds are compared with."""
        if self.unit != "ratio":
            return Fraction(self.covered)
        return Fraction(Fraction(self.covered), self.total) if self.total else Fraction(0)

    @property
    def share(self) -> float | None:
        """Share of the reference rows whose combination the suite exercises."""
        if self.exercised_rows is None or not self.reference_rows:
            return None
        return self.exercised_rows / self.reference_rows

    @property
    def of_reached(self) -> float | None:
        """Covered among reached divided by reached."""
        if self.covered_reached is None or not self.reach:
            return None
        return self.covered_reached / self.reach
