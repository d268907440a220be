"""The report as plain frozen data: what every reporter receives and the JSON file holds.

No torch here, and no arithmetic beyond ratios of stored integers: numbers are made in `engine`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from pytest_deepimportance.companions import Companions, Leaks, SliceRow, ThinIce
from pytest_deepimportance.comparison import Comparison
from pytest_deepimportance.contributions import Contributions
from pytest_deepimportance.exercise import GrowthPoint, NeuronHits
from pytest_deepimportance.measurements import CriterionRow as CriterionRow
from pytest_deepimportance.pictures import Pictures
from pytest_deepimportance.plaindata import rebuild
from pytest_deepimportance.provenance import Exclusions as Exclusions
from pytest_deepimportance.provenance import ModelInfo, ProfileInfo, ReferenceInfo
from pytest_deepimportance.provenance import RequirementRow as RequirementRow
from pytest_deepimportance.provenance import RunInfo as RunInfo
from pytest_deepimportance.provenance import SettingRow as SettingRow
from pytest_deepimportance.provenance import TestRow as TestRow
from pytest_deepimportance.rows import Rows
from pytest_deepimportance.yardsticks import LadderStep as LadderStep
from pytest_deepimportance.yardsticks import RandomSuite as RandomSuite

FORMAT = 2
"""Version of the JSON schema.

History: 1 = first release (IDC, gates, exclusions); 2 = twelve criteria, `covered` may be a number
for unit "float", `statistics` of the profile.
"""


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
        failed_tests, xfailed_tests, skipped_tests: Marked tests that failed, that failed as their
            `xfail` says, and that were skipped; the others passed.
        only_failing_inputs: Distinct inputs that only tests of the first two kinds made.
        leaks: Its inputs that are in the reference too; None where the profile cannot tell.
        inputs_digest: SHA-256 that identifies its set of distinct inputs, "" without inputs.
        in_total: Whether it is part of the total; a suite with `gate=False` is not. Of the total:
            False when there are only such, so that no threshold on it is judged.
        slices: Its slices by the tags of tests and rows, and the pairs of these that occur.
        hits: The important neurons' clusters, where there is one space of all classes.
        growth: How its combinations add up input by input; of the total only.
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
    xfailed_tests: int = 0
    skipped_tests: int = 0
    only_failing_inputs: int = 0
    evenness: float | None = None
    companions: Companions | None = None
    thin_ice: ThinIce | None = None
    leaks: Leaks | None = None
    slices: tuple[SliceRow, ...] = ()
    hits: tuple[NeuronHits, ...] = ()
    growth: tuple[GrowthPoint, ...] = ()
    inputs_digest: str = ""
    in_total: bool = True

    def __post_init__(self) -> None:
        """Let the rows answer for a misspelt key."""
        object.__setattr__(self, "criteria", Rows(self.criteria))

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
class Report:
    """Everything measured against one profile: the whole content of the JSON file, and pictures.

    `criteria` is the TOTAL's rows by key: `report.criteria["IDC"].value`. `remarks` is what the
    screen of a pytest run says under "note:", all of it. `contributions` is what each test adds
    (with `idc_context = test`), `comparison` what changed against an earlier run (`idc_compare`),
    `pictures` inputs that are images, for the HTML page; it is no part of the JSON file.
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
    requirements: tuple[RequirementRow, ...] = ()
    exclusions: Exclusions = field(default_factory=Exclusions)
    run: RunInfo = field(default_factory=RunInfo)
    settings: tuple[SettingRow, ...] = ()
    notes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    contributions: Contributions | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    comparison: Comparison | None = None
    pictures: Pictures | None = None

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
        plain = dataclasses.asdict(dataclasses.replace(self, pictures=None))
        del plain["pictures"]
        return {"format": FORMAT, **plain}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Report:
        """Rebuild a report from `to_json` data.

        Raises:
            ValueError: The data carries another format number.
        """
        if data.get("format") != FORMAT:
            raise ValueError(f"report format {data.get('format')!r}, this version reads {FORMAT}")
        return cast(Report, rebuild(cls, {k: v for k, v in data.items() if k != "format"}))
