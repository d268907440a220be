"""Reports that are text files: Markdown, CSV, LaTeX, JUnit. Samples of every situation."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from pytest_deepimportance.errors import ReportError
from pytest_deepimportance.reporting import csv_report, grids, junit, latex, markdown
from pytest_deepimportance.reporting.audit.reproduce import Invocation
from pytest_deepimportance.reporting.destinations import Destination, destinations
from pytest_deepimportance.reporting.writing import TEXTS, write
from pytest_deepimportance.results import Report
from tests.reporting import samples
from tests.reporting.criteria_samples import EVERY, everything

HERE = Invocation(("pytest",), Path())
NASTY = "=2+3|a_b\n<b>@team</b> \\x{1}%&#"


def nasty() -> Report:
    """A report whose suite and classes carry what every format would take for markup."""
    report = samples.failing()
    classes = tuple(dataclasses.replace(row, name=NASTY) for row in report.total.classes)
    suites = tuple(
        dataclasses.replace(suite, name=NASTY, classes=classes) for suite in report.suites
    )
    return dataclasses.replace(
        report, suites=suites, total=dataclasses.replace(report.total, classes=classes)
    )


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("name", EVERY)
def test_every_situation_has_the_same_text_twice(name: str, kind: str, tmp_path: Path) -> None:
    reports = EVERY[name]()
    path = write(Destination(kind, tmp_path / "sub" / "out"), reports, HERE)
    text = path.read_text(encoding="utf-8")
    assert text == TEXTS[kind](EVERY[name]())
    assert text.endswith("\n")
    assert not re.search(r"\bnan\b|\binf\b|\bNone\b", text)


def test_markdown_says_verdict_figures_and_what_failed() -> None:
    lines = markdown.render([samples.failing()]).splitlines()
    assert lines[0] == markdown.MARKER
    assert lines[1] == (
        "### Neural network coverage: 18.4 % IDC, share 74.4 % - gate failed (2 of 2 thresholds)"
    )
    assert sum(line.startswith("- **FAIL**: ") for line in lines) == 2
    assert any("no input of class 7, 8, 9" in line for line in lines)
    assert any("**7** (15.8 %)" in line for line in lines)


@pytest.mark.parametrize("name", EVERY)
def test_markdown_tables_are_rectangular(name: str) -> None:
    text = markdown.render(EVERY[name]())
    for block in re.findall(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1, block


def test_markdown_escapes_names() -> None:
    text = markdown.render([nasty()])
    assert "<b>" not in text
    assert "@team" not in text
    assert r"a\_b" in text
    for block in re.findall(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


def test_github_appends_to_the_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv(markdown.SUMMARY, str(summary))
    reports = [samples.passing()]
    assert write(Destination("github"), reports, HERE) == summary
    assert summary.read_text() == "before\n" + markdown.render(reports)
    other = tmp_path / "other.md"
    write(Destination("github", other), reports, HERE)
    assert other.read_text() == markdown.render(reports)
    monkeypatch.delenv(markdown.SUMMARY)
    with pytest.raises(ReportError, match="GITHUB_STEP_SUMMARY is not set"):
        write(Destination("github"), reports, HERE)
    with pytest.raises(ReportError, match="cannot append to"):
        write(Destination("github", tmp_path), reports, HERE)


def test_csv_holds_every_row_exactly() -> None:
    reports = [everything()]
    rows = list(csv.DictReader(io.StringIO(csv_report.render(reports))))
    expected = [
        (suite.name, row)
        for report in reports
        for suite in (*report.suites, report.total)
        for row in suite.criteria.values()
    ]
    assert len(rows) == len(expected)
    for found, (suite, row) in zip(rows, expected, strict=True):
        assert (found["suite"], found["criterion"], found["layer"]) == (
            suite,
            row.criterion,
            row.layer or "",
        )
        assert found["judged"] == str(row.judged).lower()
        if row.judged:
            assert float(found["value"]) == row.value
            assert float(found["covered"]) == row.covered
        else:
            assert found["value"] == found["covered"] == ""


def test_csv_shows_no_noise_of_float_sums() -> None:
    row = samples.row(20, 100, 24.0, samples.random(100, 24.999999996760906, 20, 30, 20))
    report = samples.report((), samples.suite("TOTAL", 100, 9, row))
    found = list(csv.DictReader(io.StringIO(csv_report.render([report]))))
    assert found[-1]["random_expected"] == "25"


def test_csv_holds_no_formula() -> None:
    rows = list(csv.reader(io.StringIO(csv_report.render([nasty()]))))
    assert not [c for row in rows for c in row if c.startswith(("=", "+", "@", "-"))]
    assert any(cell.startswith("'=2+3|a_b <b>") for row in rows for cell in row)


def test_latex_escapes_and_closes_what_it_opens() -> None:
    text = latex.render([nasty()])
    assert r"a\_b \textless{}b\textgreater{}@team" in text
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") > 0
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}")
    body = re.sub(r"^%.*$|\\[&%#_]", "", text, flags=re.MULTILINE)
    assert not re.search(r"[%#_]", body)
    for table in re.findall(r"\\toprule(.*?)\\bottomrule", text, re.DOTALL):
        cells = {len(re.findall(r"(?<!\\)&", line)) for line in table.splitlines() if "&" in line}
        assert len(cells) == 1


def test_latex_sets_the_total_apart() -> None:
    lines = latex.render([samples.passing()]).splitlines()
    at = next(index for index, line in enumerate(lines) if line.startswith("TOTAL"))
    assert lines[at - 1] == r"\midrule"
    assert r"30.6\,\%" in lines[at]


def test_junit_has_a_case_for_each_threshold() -> None:
    report = samples.failing(["clean/IDC=0.29", "share=0.5", "LSC=0.1"])
    suite = ET.fromstring(junit.render([report])).find("testsuite")
    assert suite is not None
    statuses = [gate.status for gate in report.gates]
    assert sorted(statuses) == ["failed", "failed", "ok"] or "not judged" in statuses
    assert int(suite.get("tests", "")) == len(report.gates)
    assert int(suite.get("failures", "")) == statuses.count("failed")
    assert int(suite.get("skipped", "")) == statuses.count("not judged")
    for gate, case in zip(report.gates, suite.iter("testcase"), strict=True):
        assert (case.get("classname"), case.get("name")) == (f"idc.{gate.suite}", gate.threshold)
        failure = case.find("failure")
        assert (failure is not None) == (gate.status == "failed")
        assert failure is None or failure.get("message") == gate.message


def test_junit_properties_are_the_numbers_of_the_report() -> None:
    report = everything()
    found = dict(junit.properties([report]))
    assert float(found["idc.IDC"]) == report.criteria["IDC"].value
    assert float(found["idc.share"]) == report.criteria["IDC"].share
    assert int(found["idc.TKNP"]) == report.criteria["TKNP"].covered
    for suite in report.suites:
        assert int(found[f"idc.{suite.name}.inputs"]) == suite.inputs
    two = dict(junit.properties(samples.two_models()))
    assert "idc.3f2a91c0.IDC" in two
    assert "idc.a1b2c3d4.IDC" in two


def test_verdicts_in_words() -> None:
    said = {name: grids.verdict(EVERY[name]()[0]) for name in ("passing", "failing", "incomplete")}
    assert said["passing"] == "gate passed (1 threshold)"
    assert said["failing"] == "gate failed (2 of 2 thresholds)"
    assert said["incomplete"] == "gate not judged (1 of 1 threshold)"
    assert grids.verdict(samples.passing(gates=())) == "no gate"
    assert grids.verdict(samples.warned()).startswith("gate warned (")


def test_a_report_without_a_place_needs_one_outside_pytest() -> None:
    (junit_,) = destinations(["junit"], "--report")
    with pytest.raises(ReportError, match="report junit needs a place here: junit:PATH"):
        write(junit_, [samples.passing()], HERE)
