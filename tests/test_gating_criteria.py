"""Thresholds on the criteria beside IDC: ratios, counts, floats, layers; and what random counts."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance.gating import judge
from pytest_deepimportance.results import CriterionRow, GateOutcome, Report, RunInfo
from pytest_deepimportance.thresholds import parse_threshold
from tests.reporting import criteria_samples, samples


def gate(report: Report, text: str) -> GateOutcome:
    return judge(report, [parse_threshold(text)])[0]


@pytest.mark.parametrize(
    ("text", "status", "message"),
    [
        ("TKNP=412", "ok", "TKNP 412 >= 412"),
        ("TKNP=500", "failed", "TKNP 412 < 500 (88 more needed)"),
        ("TKNP=1500", "failed", "TKNP 412 < 1,500 (1,088 more needed)"),
        ("TKNP=1e13", "failed", "TKNP 412 < 10,000,000,000,000 (9,999,999,999,588 more needed)"),
        ("CC@fc1=61", "failed", "CC@fc1 60 < 61 (1 more needed)"),
        ("NLC=1.5", "ok", "NLC 1.62 >= 1.5"),
        ("NLC=1.62", "failed", "NLC 1.617 < 1.62"),
        ("NLC@conv1=0.02", "failed", "NLC@conv1 0.0153 < 0.02"),
        ("KMNC=0.4", "failed", "KMNC 37.28 % < 40 % (87,975 of 236,000 sections covered, 94,400 needed)"),
        ("KMNC@fc2=0.3", "ok", "KMNC@fc2 42.02 % >= 30 % (35,297 of 84,000 sections covered"),
        ("NBC=0.1", "failed", "NBC 2.12 % < 10 % (10 of 472 corners covered, 48 needed)"),
        ("clean/LSC=0.1", "ok", "clean/LSC 11.10 % >= 10 % (111 of 1,000 buckets hit, 100 needed)"),
        ("LSC:*=0.1", "failed", "LSC:*: LSC has no numbers per class"),
    ],
)  # fmt: skip
def test_thresholds_on_any_criterion(text: str, status: str, message: str) -> None:
    outcome = gate(criteria_samples.everything(()), text)
    assert outcome.status == status
    assert outcome.message.startswith(message)


def test_outcomes_of_counts_and_floats_have_no_total() -> None:
    report = criteria_samples.everything(())
    count, number = gate(report, "TKNP=500"), gate(report, "NLC=1.5")
    assert (count.covered, count.total, count.needed) == (412, None, 500)
    assert (number.total, number.needed) == (None, None)
    assert isinstance(number.covered, float)
    assert number.value == number.covered


@settings(deadline=None)
@given(st.floats(0, 1e9, allow_nan=False), st.integers(-1, 1))
def test_floats_are_compared_exactly_and_shown_truly(value: float, step: int) -> None:
    text = f"{value:.6f}"
    measured = max(0.0, float(text) + step * 1e-9)
    row = CriterionRow("NLC", "float", measured)
    report = samples.report((), samples.suite("TOTAL", 10, 9, row))
    outcome = gate(report, f"NLC={text}")
    assert (outcome.status == "ok") == (Fraction(measured) >= Fraction(text))
    left, right = (
        outcome.message.removeprefix("NLC ").replace(",", "").replace("<", ">=").split(" >= ")
    )
    assert (Fraction(left) >= Fraction(right)) == (outcome.status == "ok")


def test_a_negative_number_is_below_any_threshold() -> None:
    row = CriterionRow("NLC", "float", -1.5)
    report = samples.report((), samples.suite("TOTAL", 10, 9, row))
    assert gate(report, "NLC=0").message == "NLC -1.50 < 0"


def test_a_number_that_is_not_finite_is_not_judged() -> None:
    row = CriterionRow("NLC", "float", float("nan"))
    outcome = gate(samples.report((), samples.suite("TOTAL", 10, 9, row)), "NLC=1")
    assert (outcome.status, outcome.message) == (
        "not judged",
        "NLC is not judged: its value is nan",
    )


def test_what_the_surprise_cannot_judge_is_not_judged() -> None:
    outcome = gate(criteria_samples.not_judged(), "MDSC=0.1")
    assert outcome.message == "MDSC is not judged: the class of no input is known"


def test_random_says_why_it_counts_less_than_the_screen() -> None:
    row = samples.row(39, 400, 35.0, samples.random(400, 35.0, 30, 40, 38))
    outcome = gate(samples.report((), samples.suite("TOTAL", 400, 9, row)), "random")
    assert outcome.message == (
        "IDC 38 >= 30 (1st percentile of random suites of 400 inputs from the reference; "
        "1 covered item it does not reach left out)"
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [("IDC=random", "of more inputs more is asked"), ("NLC=0.1", "all tests may stay below")],
)
def test_what_a_part_of_the_tests_meets_is_not_judged_where_all_may_miss_it(
    text: str, why: str
) -> None:
    whole = criteria_samples.everything()
    part = dataclasses.replace(whole, run=RunInfo(40, 3, 37))
    threshold = [parse_threshold(text)]
    assert judge(whole, threshold, unsteady=["NLC"])[0].status == "ok"
    (outcome,) = judge(part, threshold, unsteady=["NLC"])
    assert outcome.status == "not judged"
    assert outcome.message.endswith(f" is not judged: {why}; partial: 3 of 40 marked tests")
    assert outcome.value is not None
    (missed,) = judge(part, [parse_threshold("NLC=1e9")], unsteady=["NLC"])
    assert missed.status == "failed"
