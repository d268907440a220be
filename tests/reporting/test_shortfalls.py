from __future__ import annotations

from collections.abc import Sequence

import pytest

from pytest_deepimportance.reporting.findings import advice, missing
from pytest_deepimportance.reporting.shortfalls import is_about_idc, shortfalls
from pytest_deepimportance.results import GateOutcome, Report
from tests.reporting import samples
from tests.reporting.criteria_samples import everything, two_ratios


def said(gates: Sequence[str]) -> list[str]:
    report = everything(gates)
    assert {outcome.status for outcome in report.gates} == {"failed"}
    return shortfalls(report, report.gates)


@pytest.mark.parametrize(
    ("gate", "text"),
    [
        ("KMNC=0.9", "KMNC is lowest in layer conv2 30.6%, fc1 34.4%, fc3 40.1%"),
        ("CC=900", "CC is lowest in layer conv1 12, conv2 25, fc3 50"),
        ("NLC=9", "NLC is lowest in layer conv1 0.0153, conv2 0.120, fc1 0.250"),
        ("shifted/NC=0.9", "NC is lowest in layer conv2 31.3%, fc1 38.3%, fc2 47.6%"),
        ("DSC=0.9", "DSC: 212 of 1,000 inputs hit no bucket (mostly surprise of 0 or less)"),
        ("TKNP=1001", "TKNP: an input gives one pattern at most, and there were 1,000 inputs"),
    ],
)
def test_a_shortfall_is_explained_by_the_criterions_own_numbers(gate: str, text: str) -> None:
    assert said([gate]) == [text]


def test_buckets_cannot_be_more_than_inputs() -> None:
    report = everything(("LSC=0.9",))
    row = report.criteria["LSC"]
    few = samples.suite(
        "TOTAL", 300, 9, type(row)("LSC", "ratio", 30, 1000, inputs=300, details=row.details)
    )
    report = samples.report((), few, ("LSC=0.9",))
    assert shortfalls(report, report.gates) == [
        "LSC: an input gives one bucket at most, and there were 300 inputs"
    ]


@pytest.mark.parametrize(
    "gate", ["KMNC@fc1=0.9", "TKNP=500", "LSC=0.9", "NC@nothere=0.1", "x/NC=0.1"]
)
def test_nothing_is_said_where_nothing_is_known(gate: str) -> None:
    assert said([gate]) == []


def test_each_sentence_is_said_once() -> None:
    assert len(said(["KMNC=0.9", "KMNC=0.8", "NC=0.9"])) == 2


@pytest.mark.parametrize(
    ("threshold", "yes"),
    [("IDC=0.3", True), ("share:*=0.7", True), ("reached=0.1", True), ("IDC@fc2:7=0.2", True),
     ("KMNC=0.3", False), ("NLC@fc2=1", False), ("SHARED=0.1", False)],
)  # fmt: skip
def test_which_thresholds_are_about_idc(threshold: str, yes: bool) -> None:
    assert is_about_idc(GateOutcome("TOTAL", threshold, "failed", 0.1)) == yes


def text(report: Report) -> str:
    parts = [build(report, report.gates) for build in (missing, advice)]
    return "\n".join(line.plain for part in parts for line in part.build(part.most))


def test_gaps_and_classes_are_not_blamed_for_another_criterion() -> None:
    found = text(everything(("KMNC=0.9",)))
    assert "gap:" not in found
    assert "class " not in found.replace("every class", "")
    both = text(everything(("KMNC=0.9", "IDC=0.9")))
    assert "largest gaps" in both
    assert "KMNC is lowest" in both


def test_advice_promises_only_what_the_report_holds() -> None:
    assert "every layer, number and setting" in text(two_ratios())
