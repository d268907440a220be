"""The report as plain frozen data: what every reporter receives and the JSON file holds.

No torch here, and no arithmetic beyond ratios of stored integers: numbers are made in `engine`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, cast

from pytest_deepimportance.companions import Companions, ThinIce
from pytest_deepimportance.plaindata import rebuild
from pytest_deepimportance.provenance import Exclusions as Exclusions
from pytest_deepimportance.provenance import ModelInfo, ProfileInfo, ReferenceInfo
from pytest_deepimportance.provenance import RunInfo as RunInfo
from pytest_deepimportance.provenance import SettingRow as SettingRow

FORMAT = 2
"""Version of the JSON schema.

History: 1 = first release (IDC, gates, exclusions); 2 = twelve criteria, `covered` may be a number
for unit "float", `statistics` of the profile.
"""


@dataclass(frozen=True)
class RandomSuite:
    """What a random reference sample of N distinct inputs covers.

    Attributes:
        inputs: N, the number of distinct inputs compared with.
        expected: Expected number of covered items.
        sd: Its standard deviation.
        low: 1st percentile of covered items (normal with continuity and skewness correction).
        high: 99th percentile.
        comparable: False when N exceeds the reference; the note then says why.
        covered: What the suite itself covers among the items the reference reaches.
        note: A sentence, or empty.
    """

    inputs: int
    expected: float
    sd: float
    low: int
    high: int
    comparable: bool
    covered: int
    note: str = ""


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


@dataclass(frozen=True)
class ClassShare:
    """One class: how much of its reference rows the suite exercises, and how often it is tested."""

    index: int
    name: str
    reference_rows: int
    exercised_rows: int
    suite_inputs: int

    @property
    def share(self) -> float | None:
        """Exercised reference rows of this class divided by all of them, None without rows."""
        return self.exercised_rows / self.reference_rows if self.reference_rows else None


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


@dataclass(frozen=True)
class Gap:
    """Reference inputs that behave in a way no test exercises."""

    rows: int
    main_class: str | None
    main_class_rows: int
    nearest_reference_index: int | None
    combination: tuple[int, ...]


@dataclass(frozen=True)
class SuiteResult:
    """One suite (a named set of tests), or the total of all suites.

    Attributes:
        name: Suite name; "TOTAL" for the union.
        inputs: Distinct recorded inputs.
        rows: Recorded rows (an input seen twice counts twice).
        correct, labelled: Rows predicted right, rows with a label (of distinct inputs).
        criteria: Rows by key; the first is the headline.
        classes: Per-class shares and class balance.
        evenness: Pielou evenness of the suite's classes (by label, else prediction), or None.
        ladder: The same suite for every m.
        companions: How sure and varied its predictions are; None where no class is predicted.
        thin_ice: Its errors by rarity; None without labels, or without IDC over all classes.
    """

    name: str
    tests: int
    inputs: int
    rows: int
    labelled: int
    correct: int
    criteria: Mapping[str, CriterionRow]
    classes: tuple[ClassShare, ...] = ()
    classes_from: str = ""
    gaps: tuple[Gap, ...] = ()
    ladder: tuple[LadderStep, ...] = ()
    failed_tests: int = 0
    evenness: float | None = None
    companions: Companions | None = None
    thin_ice: ThinIce | None = None

    @property
    def accuracy(self) -> float | None:
        """Correct divided by labelled distinct inputs, None without labels."""
        return self.correct / self.labelled if self.labelled else None


@dataclass(frozen=True)
class GateOutcome:
    """One threshold and how it was judged.

    Attributes:
        suite: Suite the threshold is for ("TOTAL" when none was named).
        threshold: The text as the user wrote it, `IDC=0.6`.
        status: "ok", "failed", "not judged" or "warned" (partial run with idc_partial=warn).
        covered, total, value: The measured number (value as a float for display only); covered is
            a float for unit "float" only, which has no total, like counts.
        needed: Smallest covered count that would pass, None where that has no meaning.
        message: One line that carries the numbers, the same for terminal, JUnit and JSON.
        reason: Why the threshold was set, if the user said.
    """

    suite: str
    threshold: str
    status: str
    value: float | None
    covered: int | float | None = None
    total: int | None = None
    needed: int | None = None
    message: str = ""
    reason: str = ""
    origin: str = ""


@dataclass(frozen=True)
class TestRow:
    """One marked test."""

    nodeid: str
    suite: str
    outcome: str
    passes: int
    inputs: int
    cause: str = ""

    __test__ = False


@dataclass(frozen=True)
class Report:
    """Everything measured against one profile: the whole content of the JSON file.

    `criteria` is the TOTAL's rows by key: `report.criteria["IDC"].value`.
    """

    version: str
    created: str
    model: ModelInfo
    reference: ReferenceInfo
    profile: ProfileInfo
    suites: tuple[SuiteResult, ...]
    total: SuiteResult
    gates: tuple[GateOutcome, ...] = ()
    tests: tuple[TestRow, ...] = ()
    exclusions: Exclusions = field(default_factory=Exclusions)
    run: RunInfo = field(default_factory=RunInfo)
    settings: tuple[SettingRow, ...] = ()
    notes: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def criteria(self) -> Mapping[str, CriterionRow]:
        """Rows of the total, by key."""
        return self.total.criteria

    def suite(self, name: str) -> SuiteResult | None:
        """Return the suite called `name` ("TOTAL" is the union), or None."""
        if name == self.total.name:
            return self.total
        return next((suite for suite in self.suites if suite.name == name), None)

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON-ready data (integers stay integers, of any size)."""
        return {"format": FORMAT, **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Report:
        """Rebuild a report from `to_json` data.

        Raises:
            ValueError: The data carries another format number.
        """
        if data.get("format") != FORMAT:
            raise ValueError(f"report format {data.get('format')!r}, this version reads {FORMAT}")
        return cast(Report, rebuild(cls, {k: v for k, v in data.items() if k != "format"}))
