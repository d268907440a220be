from __future__ import annotations

import dataclasses

import pytest

from pytest_deepimportance.reporting.table import criteria_shown, gate_cell, suite_rows, table
from pytest_deepimportance.results import GateOutcome, Report
from pytest_deepimportance.thresholds import MEASURED
from tests.reporting import criteria_samples, samples


def text(report: Report, width: int = 80, most: int = 50) -> list[str]:
    return [line.plain.rstrip() for line in table(report, width, most)]


def test_columns_are_aligned() -> None:
    head, *rows = text(samples.passing())
    for column in ("inputs", "IDC", "covered", "random suite", "share", "accuracy", "gate"):
        end = head.index(column) + len(column)
        assert all(row[end - 1] != " " and row[end : end + 1] in ("", " ") for row in rows)


def test_columns_without_a_value_are_left_out() -> None:
    head = text(samples.unlabelled())[0]
    assert "accuracy" not in head
    assert "gate" not in text(samples.passing(gates=()))[0]
    assert "random suite" not in text(samples.layers_and_classes())[0]


@pytest.mark.parametrize(
    ("width", "gone", "kept"),
    [(200, "", "of reach"), (80, "of reach", "covered"), (60, "covered", "share")],
)
def test_narrow_terminals_lose_columns_in_order(width: int, gone: str, kept: str) -> None:
    head = text(samples.passing(), width)[0]
    assert kept in head
    assert not gone or gone not in head


def test_folding_keeps_the_total_and_what_failed() -> None:
    report = samples.many_suites(gates=("corruption_29_a_rather_long_name_of_a_weather_condition_at_night/IDC=0.9",))  # fmt: skip
    report = dataclasses.replace(report, gates=report.gates[:1])
    lines = text(report, most=3)
    assert len(lines) == 6
    assert lines[3].startswith("corrup")
    assert lines[3].endswith("TOO LOW")
    assert lines[-1].startswith("TOTAL")
    assert lines[4] == "... and 27 more (in the JSON report)"


def test_one_row_is_never_folded_into_one_line() -> None:
    assert text(samples.passing(), most=1) == text(samples.passing(), most=2)


def test_a_single_suite_needs_no_total() -> None:
    assert [row.name for row in suite_rows(samples.failing())] == ["clean"]
    assert [row.name for row in suite_rows(samples.passing())] == ["clean", "shifted", "TOTAL"]
    assert [row.name for row in suite_rows(samples.nothing_recorded())] == ["TOTAL"]


def test_incomparable_random_suites_are_not_shown_as_numbers() -> None:
    report = samples.passing()
    row = report.total.criteria["IDC"]
    assert row.random is not None
    random = dataclasses.replace(row.random, comparable=False)
    total = dataclasses.replace(
        report.total, criteria={"IDC": dataclasses.replace(row, random=random)}
    )
    assert "unlike" in text(dataclasses.replace(report, total=total))[-1]


def test_without_idc_the_criteria_are_columns() -> None:
    head, *rows = text(criteria_samples.no_class_scores())
    assert head.split() == [
        "suite",
        "inputs",
        "NC",
        "KMNC*",
        "NBC*",
        "SNAC*",
        "TKNC",
        "TKNP",
        "CC",
        "NLC",
    ]
    assert rows[-1].split()[-3:] == ["412", "219", "1.62"]


def test_without_idc_the_last_criteria_go_first_and_the_first_stays() -> None:
    report = criteria_samples.without_idc(criteria_samples.baselines(), ("NC=0.1",))
    shown = [criteria_shown(report, width) for width in (200, 80, 60)]
    assert [len(names) for names in shown] == [11, 7, 4]
    assert all(names == list(MEASURED)[1 : len(names) + 1] for names in shown)
    assert "accuracy" in text(report, 60)[0]


def test_with_idc_no_other_criterion_is_a_column() -> None:
    report = criteria_samples.everything()
    assert criteria_shown(report, 200) == []
    assert text(report) == text(samples.passing())


def test_a_criterion_that_is_not_judged_has_no_column() -> None:
    rows = [*criteria_samples.bits("NC"), criteria_samples.surprise("LSC", 0, judged=False)]
    assert criteria_shown(criteria_samples.without_idc(rows), 80) == ["NC"]


def test_a_verdict_on_another_criterion_is_not_degenerate() -> None:
    report = samples.degenerate(())
    gates = (GateOutcome("TOTAL", "NC=0.3", "ok", 0.5),)
    report = dataclasses.replace(report, gates=gates)
    assert gate_cell(report, report.total) == "NC>=30% ok"


@pytest.mark.parametrize(
    ("outcomes", "cell"),
    [
        ([], "-"),
        ([("IDC=0.29", "ok")], "IDC>=29% ok"),
        ([("IDC=0.295", "ok")], "IDC>=29.5% ok"),
        ([("IDC=1", "ok")], "IDC>=100% ok"),
        ([("IDC=random", "ok")], "IDC ok"),
        ([("TKNP=100", "ok")], "TKNP>=100 ok"),
        ([("KMNC@fc2=0.3", "ok")], "KMNC@fc2>=30% ok"),
        ([("NLC=1.5", "not judged")], "not judged"),
        ([("share=0.9", "ok")], "share>=90% ok"),
        ([("share:traffic light=0.9", "ok")], "ok"),
        ([("IDC=0.2", "ok"), ("share=0.9", "ok")], "2 ok"),
        ([("IDC=0.2", "ok"), ("share=0.9", "failed")], "TOO LOW"),
        ([("IDC=0.2", "ok"), ("share=0.9", "warned")], "too low"),
        ([("IDC=0.2", "ok"), ("share=0.9", "not judged")], "not judged"),
    ],
)
def test_gate_cell(outcomes: list[tuple[str, str]], cell: str) -> None:
    gates = tuple(GateOutcome("TOTAL", text, status, 0.3) for text, status in outcomes)
    report = dataclasses.replace(samples.passing(), gates=gates)
    assert gate_cell(report, report.total) == cell
    assert gate_cell(report, report.suites[0]) == "-"


def test_gate_cell_of_a_threshold_without_a_number() -> None:
    gates = (GateOutcome("TOTAL", "IDC@x=0.2", "failed", None),)
    report = dataclasses.replace(samples.passing(), gates=gates)
    assert gate_cell(report, report.total) == "FAILED"
