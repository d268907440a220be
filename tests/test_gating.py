from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance.gating import above_reach, before_tests, judge, silent_tests
from pytest_deepimportance.provenance import SpaceRow
from pytest_deepimportance.results import GateOutcome, Report, RunInfo, SuiteResult
from pytest_deepimportance.thresholds import parse_threshold
from tests.oracles import reference_gate
from tests.reporting import samples


def gate(report: Report, text: str, partial: str = "fail") -> GateOutcome:
    return judge(report, [parse_threshold(text)], partial=partial)[0]


def measured(covered: int, total: int, **changes: Any) -> Report:
    """A report whose IDC is covered / total, and whose share is the same."""
    row = samples.row(
        covered, 10, 0.0, None, total=total, reach=None, exercised_rows=covered, reference_rows=total,
        **changes,
    )  # fmt: skip
    return samples.report((), samples.suite("TOTAL", 10, 9, row))


decimals = st.integers(0, 10**6).map(lambda n: f"{n / 10**6:.6f}") | st.integers(0, 100).map(
    lambda n: f"{n / 100:g}"
)
near = st.tuples(decimals, st.integers(2, 10**9), st.integers(-1, 1))


@settings(deadline=None)
@given(near, st.sampled_from(["IDC", "share"]))
def test_verdict_message_and_needed_agree_with_first_principles(
    case: tuple[str, int, int], name: str
) -> None:
    text, total, step = case
    number, places = reference_gate.digits(text)
    covered = min(total, max(0, round(number * total / 10**places) + step))
    outcome = gate(measured(covered, total), f"{name}={text}")
    passes = reference_gate.passes(covered, total, text)
    assert outcome.status == ("ok" if passes else "failed")
    assert reference_gate.shown_verdict(outcome.message) == passes
    assert (covered >= (outcome.needed or 0)) == passes
    assert (outcome.covered, outcome.total) == (covered, total)


@pytest.mark.parametrize("text", ["0.1", "0.29", "0.3", "0.7", "1", "0", "0.333"])
def test_needed_is_the_smallest_number_that_passes(text: str) -> None:
    for total in range(2, 60):
        assert gate(measured(1, total), text).needed == reference_gate.needed(total, text)


def test_floats_would_be_wrong_here() -> None:
    assert gate(measured(1, 10), "0.1").status == "ok"
    assert gate(measured(29, 100), "0.29").status == "ok"
    assert gate(measured(7, 10), "0.7").status == "ok"


@pytest.mark.parametrize(
    ("text", "status", "message"),
    [
        ("0.29", "ok", "IDC 30.56 % >= 29 % (176 of 576 covered, 168 needed; reach 423)"),
        ("0.31", "failed", "IDC 30.56 % < 31 % (176 of 576 covered, 179 needed; reach 423)"),
        (
            "0.305556",
            "failed",
            "IDC 30.55556 % < 30.5556 % (176 of 576 covered, 177 needed; reach 423)",
        ),
        ("TOTAL/IDC=0.29", "ok", "TOTAL/IDC 30.56 % >= 29 %"),
        ("clean/IDC=0.26", "failed", "clean/IDC 25.35 % < 26 % (146 of 576 covered, 150 needed"),
        ("IDC@fc2=0.3", "ok", "IDC@fc2 30.56 % >= 30 %"),
        (
            "share=0.95",
            "failed",
            "share 93.82 % < 95 % (56,292 of 60,000 reference inputs exercised, 57,000 needed)",
        ),
        ("reached=0.4", "ok", "reached 41.61 % >= 40 % (176 of 423 reached combinations covered"),
        ("share:8=0.9", "failed", "share:8 78.50 % < 90 % (4,593 of 5,851 reference inputs"),
        ("share:*=0.9", "failed", "share:* 78.50 % < 90 % (class 8: 4,593 of 5,851 reference"),
        (
            "random",
            "ok",
            "IDC 176 >= 148 (1st percentile of random suites of 1,000 inputs from the reference)",
        ),
        (
            "0.9",
            "failed",
            "IDC 30.56 % < 90 % (176 of 576 covered, 519 needed, but the reference itself reaches "
            "423, 73.44 %: lower m or k, or gate reached or share)",
        ),
    ],
)
def test_message_carries_the_numbers(text: str, status: str, message: str) -> None:
    outcome = gate(samples.passing(gates=()), text)
    assert outcome.status == status
    assert outcome.message.startswith(message)


def test_random_below_the_first_percentile_fails() -> None:
    outcome = gate(samples.failing(()), "random")
    assert (outcome.status, outcome.covered, outcome.needed) == ("failed", 106, 149)
    assert outcome.message.startswith("IDC 106 < 149 (1st percentile")


def test_random_counts_covered_among_the_reached() -> None:
    random = samples.random(1_000, 163.0, 150, 178, 149)
    row = samples.row(180, 1_000, 90.0, random, covered_reached=149)
    outcome = gate(samples.report((), samples.suite("TOTAL", 1_000, 9, row)), "random")
    assert (outcome.status, outcome.covered) == ("failed", 149)


def test_random_names_the_held_out_data_it_was_drawn_from() -> None:
    random = dataclasses.replace(samples.random(1_000, 163.0, 150, 178, 160), source="held.npz")
    row = samples.row(180, 1_000, 90.0, random)
    outcome = gate(samples.report((), samples.suite("TOTAL", 1_000, 9, row)), "random")
    assert outcome.message.endswith("random suites of 1,000 inputs from held.npz)")


def test_random_is_not_judged_when_not_comparable() -> None:
    random = dataclasses.replace(
        samples.random(70_000, 423.0, 423, 423, 400), comparable=False, note="more inputs than reference"
    )  # fmt: skip
    row = samples.row(400, 70_000, 99.0, random)
    outcome = gate(samples.report((), samples.suite("TOTAL", 70_000, 9, row)), "random")
    assert outcome.status == "not judged"
    assert outcome.message == "IDC is not judged: more inputs than reference"


def test_counts_are_compared_as_counts() -> None:
    row = samples.row(
        219, 10, 0, None, criterion="CC", unit="count", total=0, reach=None, exercised_rows=None,
        reference_rows=None,
    )  # fmt: skip
    report = samples.report((), samples.suite("TOTAL", 10, 9, row))
    outcome = gate(report, "CC=220")
    assert (outcome.status, outcome.needed, outcome.message) == (
        "failed",
        220,
        "CC 219 < 220 (1 more needed)",
    )
    assert gate(report, "CC=218.5").message == "CC 219 >= 218.5"
    assert gate(report, "CC=219.5").message == "CC 219 < 219.5 (1 more needed)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "claen/IDC=0.1",
            "claen/IDC: there is no such suite; suites, nearest first: clean, shifted",
        ),
        ("IDC@fc3=0.1", "IDC@fc3: there is no such layer; layers: fc2"),
        ("share:11=0.1", "share:11: there is no such class; classes, nearest first: 1, "),
        ("IDC:7=0.1", "IDC:7: IDC was not measured per class (set idc_classes to each)"),
        ("CC=5", "CC: no CC was measured, only IDC; add CC to --idc-criteria"),
    ],
)
def test_what_does_not_exist_fails_and_names_what_does(text: str, message: str) -> None:
    outcome = gate(samples.passing(gates=()), text)
    assert outcome.status == "failed"
    assert outcome.message.startswith(message)


def test_a_class_is_named_by_name_or_index() -> None:
    report = samples.many_suites(gates=())
    by_index, by_name = gate(report, "share:8=0.5"), gate(
        report, "share:very_long_class_name_number_8_of_ten=0.5"
    )  # fmt: skip
    assert by_index.covered == by_name.covered == 4593


def test_rows_of_layers_and_classes() -> None:
    report = samples.layers_and_classes()
    assert gate(report, "IDC=0.1").covered == 305
    assert gate(report, "IDC@conv2=0.1").covered == 12
    assert gate(report, "IDC:9=0.1").covered == 31
    lowest = gate(report, "IDC:*=0.2")
    assert (lowest.status, lowest.covered) == ("failed", 23)
    assert "(class 8: 23 of 144 covered, 29 needed; reach 99)" in lowest.message
    assert gate(report, "IDC@fc9=0.1").status == "failed"


def test_class_rows_without_labels_are_not_judged() -> None:
    outcome = gate(samples.unlabelled(), "IDC:7=0.5")
    assert outcome.status == "not judged"
    assert "no labels" in outcome.message


@pytest.mark.parametrize("text", ["0.29", "share=0.5", "reached=0.5"])
def test_degenerate_is_not_judged(text: str) -> None:
    outcome = gate(samples.degenerate(()), text)
    assert outcome.status == "not judged"
    assert "degenerate" in outcome.message


@pytest.mark.parametrize("text", ["0.0", "0.99", "share=0.9", "random", "nothere/IDC=0.5"])
def test_a_run_stopped_early_judges_nothing(text: str) -> None:
    outcome = gate(samples.incomplete(), text)
    assert outcome.status == "not judged"
    assert "run incomplete (stopping after 1 failures)" in outcome.message


def test_no_marked_test_is_not_too_low() -> None:
    report = samples.nothing_recorded((), run=RunInfo(0, 0, 40), tests=())
    assert gate(report, "0.29").message == "IDC is not judged: no marked test ran"


@pytest.mark.parametrize("text", ["0", "0.29", "share=0.5", "random", "default/IDC=0.1"])
def test_nothing_recorded_fails_with_every_cause(text: str) -> None:
    outcome = gate(samples.nothing_recorded(()), text)
    assert outcome.status == "failed"
    assert "3 tests: 12 passes of another LeNet5 with other weights" in outcome.message
    assert "1 test: no forward pass" in outcome.message


def test_one_silent_suite_fails_its_own_gate_only() -> None:
    empty = SuiteResult("night", 2, 0, 0, 0, 0, {})
    report = samples.passing(gates=())
    report = dataclasses.replace(report, suites=(*report.suites, empty))
    assert gate(report, "night/IDC=0.1").message == "night/IDC: nothing was recorded"
    assert gate(report, "0.29").status == "ok"


@pytest.mark.parametrize("text", ["0.99", "nothere/IDC=0.1", "share=0.99"])
def test_partial_runs_fail_or_warn(text: str) -> None:
    report = samples.passing(gates=(), run=RunInfo(40, 3, 37))
    failed, warned = gate(report, text), gate(report, text, "warn")
    assert (failed.status, warned.status) == ("failed", "warned")
    assert failed.message == warned.message
    assert failed.message.endswith("; partial: 3 of 40 marked tests")
    assert gate(report, "0.29", "warn").status == "ok"


def test_outcome_says_where_the_threshold_came_from() -> None:
    threshold = parse_threshold("clean/idc=0.2 # agreed", origin="ini")
    (outcome,) = judge(samples.passing(gates=()), [threshold])
    assert (outcome.suite, outcome.threshold, outcome.reason, outcome.origin) == (
        "clean",
        "IDC=0.2",
        "agreed",
        "ini",
    )


def test_names_cannot_break_the_line() -> None:
    outcome = gate(samples.passing(gates=()), "a\x1b[2Jb/IDC=0.2")
    assert outcome.message.startswith("a?[2Jb/IDC: there is no such suite")


def test_above_reach_before_the_tests() -> None:
    threshold = parse_threshold("0.8")
    assert above_reach(423, 576, threshold, 60_000) == (
        "IDC 80 % is asked, but the whole reference (60,000 inputs) reaches 73.44 % (423 of 576 "
        "combinations): lower m or k, or gate reached or share"
    )
    assert above_reach(423, 576, parse_threshold("0.734375"), 60_000) is None
    assert above_reach(423, 576, parse_threshold("share=0.99"), 60_000) is None
    assert above_reach(423, 576, parse_threshold("random"), 60_000) is None
    assert above_reach(0, 0, threshold, 60_000) is None


def test_before_tests_looks_at_the_right_space() -> None:
    def space(layer: str, reach: int, label: str | None = None) -> SpaceRow:
        return SpaceRow(layer, layer, label, 6, "auto", 100, reach, reach, ())

    profile = samples.profile(
        spaces=(space("fc1", 40), space("fc2", 60), space("fc2", 10, "7"), space("fc2", 90, "8"))
    )
    texts = [
        "0.5",
        "0.51",
        "IDC@fc1=0.5",
        "IDC@fc2=0.6",
        "IDC:7=0.2",
        "IDC:8=0.2",
        "IDC:*=0.2",
        "IDC@x=1",
    ]
    thresholds = [parse_threshold(text) for text in texts]
    said = before_tests(profile, samples.reference(), thresholds)
    assert [line.split(" is asked")[0] for line in said] == [
        "IDC 51 %",
        "IDC@fc1 50 %",
        "IDC:7 20 %",
        "IDC:* 20 %",
    ]


def test_silent_tests_are_grouped() -> None:
    assert [number for _, number in silent_tests(samples.nothing_recorded().tests)] == [3, 1]
