"""The screen: golden files compared exactly, and the promises that hold for every report.

After a wanted change of the layout, write the golden files again and look at the difference:
    IDC_WRITE_GOLDEN=1 pytest tests/reporting/test_terminal.py
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance.reporting.base import title
from pytest_deepimportance.reporting.terminal import SCREEN, render
from pytest_deepimportance.reporting.text import cell_len
from pytest_deepimportance.results import CriterionRow, Exclusions, GateOutcome, Report, RunInfo
from tests.reporting import samples
from tests.reporting.criteria_samples import (
    EVERY,
    bits,
    counts,
    everything,
    no_class_scores,
    spread,
    surprise,
    two_ratios,
    without_idc,
)

GOLDEN = Path(__file__).parent / "golden"
ANSI = re.compile(r"\x1b\[[0-9;]*m")
TOTAL = re.compile(
    r"^IDC total: (\d+\.\d\d)%   share: (\d+\.\d\d)%   chance of an unseen combination: (\d+\.\d) %$"
)
WAYS = {
    **{name: {"width": 80} for name in EVERY},
    "passing-60": {"width": 60},
    "failing-60": {"width": 60},
    "passing-120": {"width": 120},
    "failing-quiet": {"verbosity": -1},
    "two_models-quiet": {"verbosity": -1},
    "nothing_recorded-quiet": {"verbosity": -1},
    "many_suites-verbose": {"verbosity": 1},
    "failing-color": {"color": True},
    "everything-60": {"width": 60},
    "everything-120": {"width": 120},
    "everything-verbose": {"verbosity": 1},
    "everything-quiet": {"verbosity": -1},
    "two_ratios-60": {"width": 60},
    "two_ratios-quiet": {"verbosity": -1},
    "no_class_scores-60": {"width": 60},
    "no_class_scores-verbose": {"verbosity": 1},
    "counts_failing-verbose": {"verbosity": 1},
}


@pytest.mark.parametrize("case", WAYS)
def test_golden(case: str) -> None:
    reports = EVERY[case.partition("-")[0]]()
    text = "\n".join(render(reports, **WAYS[case])) + "\n"  # type: ignore[arg-type]
    path = GOLDEN / f"{case}.txt"
    if os.environ.get("IDC_WRITE_GOLDEN"):
        path.write_text(text, encoding="utf-8", newline="\n")
    assert text == path.read_text(encoding="utf-8")


def test_no_golden_file_is_forgotten() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(WAYS)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("width", [60, 72, 80, 100, 200])
def test_one_screen(name: str, width: int) -> None:
    for report in EVERY[name]():
        lines = render([report], width=width)
        assert len(lines) <= SCREEN
        assert all(cell_len(line) <= width for line in lines)
        assert all(line == line.rstrip() for line in lines)
        assert title(report) in lines[0]


@pytest.mark.parametrize("name", EVERY)
def test_colour_changes_no_text(name: str) -> None:
    reports = EVERY[name]()
    plain, coloured = render(reports), render(reports, color=True)
    assert not any("\x1b" in line for line in plain)
    assert any("\x1b" in line for line in coloured)
    assert [ANSI.sub("", line) for line in coloured] == plain


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("verbosity", [-1, 0, 1])
def test_words(name: str, verbosity: int) -> None:
    text = "\n".join(render(EVERY[name](), verbosity=verbosity)).lower()
    for praise in ("adequate", "safe", "complete,", " complete ", "great", "good"):
        assert praise not in text
    for missing in ("suggest", "calibrate", "compare", "minimise"):
        assert missing not in text


def test_the_environment_does_not_decide_about_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = render([samples.passing()], color=True)
    for name, value in (
        ("NO_COLOR", "1"),
        ("TERM", "dumb"),
        ("COLUMNS", "20"),
        ("FORCE_COLOR", ""),
    ):
        monkeypatch.setenv(name, value)
    assert render([samples.passing()], color=True) == expected


def test_the_total_is_one_line_for_scripts() -> None:
    (line,) = [line for line in render([samples.passing()]) if line.startswith("IDC total")]
    match = TOTAL.match(line)
    assert match is not None
    assert match.groups() == ("30.56", "93.82", "6.2")


def test_quiet_is_the_total_and_what_failed() -> None:
    assert len(render([samples.passing()], verbosity=-1)) == 1
    lines = render([samples.failing()], verbosity=-1)
    assert TOTAL.match(lines[0])
    assert lines[1].startswith("FAIL clean/IDC 18.40 % < 29 %")


def test_nothing_recorded_has_no_table() -> None:
    text = "\n".join(render([samples.nothing_recorded(())]))
    assert "suite " not in text
    assert "): 12 passes of another" in text
    assert "1 marked test recorded nothing (test_3): no forward pass" in text
    assert "FAIL" not in text
    silent = samples.nothing_recorded((), tests=(), run=RunInfo(0, 0))
    assert "nothing was recorded: no marked test ran" in "\n".join(render([silent]))
    gated = samples.nothing_recorded(("0.29",), tests=(), run=RunInfo(4, 0, 4))
    assert "NOTE IDC is not judged: no marked test ran" in "\n".join(render([gated]))


def test_every_failure_is_said_with_its_numbers() -> None:
    report = samples.failing(["0.29", "share=0.9", "reached=0.9", "share:7=0.5", "IDC@fc3=0.1"])
    text = " ".join(" ".join(render([report], verbosity=1)).split())
    for outcome in report.gates:
        assert f"FAIL {outcome.message}" in text


def test_degenerate_has_no_green_tick() -> None:
    text = "\n".join(render([samples.degenerate()]))
    assert " ok" not in text
    assert "IDC total: degenerate" in text


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        (bits("NC"), "NC total: 59.75%"),
        (counts(10), "TKNP total: 4120"),
        (spread(), "NLC total: 1.62"),
        ([surprise("LSC", 0, judged=False)], "LSC total: not judged"),
        ([], "total: nothing was measured"),
    ],
)
def test_without_idc_the_last_line_names_the_first_criterion(
    rows: list[CriterionRow], line: str
) -> None:
    assert render([without_idc(rows)])[-1] == line
    assert render([without_idc(rows)], verbosity=-1) == [line]


@pytest.mark.parametrize("verbosity", [-1, 0, 1])
@pytest.mark.parametrize("make", [two_ratios, no_class_scores])
def test_without_idc_nothing_is_said_about_it(make: Callable[[], Report], verbosity: int) -> None:
    text = "\n".join(
        line for line in render([make()], verbosity=verbosity) if "left out" not in line
    )
    for word in ("IDC", "mportance", "combination", "share", "m="):
        assert word not in text


def test_a_criterion_left_out_is_said_before_remarks_on_others() -> None:
    notes = [line for line in render([no_class_scores()]) if line.startswith("note:")]
    assert notes[0].startswith("note: IDC left out")


@pytest.mark.parametrize("rows", [counts()[:1], bits("NC"), [surprise("LSC", 5, below=900)]])
def test_what_follows_the_table_stands_apart(rows: list[CriterionRow]) -> None:
    for verbosity in (0, 1):
        lines = render([without_idc(rows)], verbosity=verbosity)
        follows = next(at for at, line in enumerate(lines) if line[:4] in ("weak", "note", "not "))
        assert lines[follows - 1] == ""


def test_without_idc_missing_labels_are_no_remark() -> None:
    report = without_idc(bits("NC"))
    unlabelled = dataclasses.replace(report, reference=samples.reference(labelled=False))
    assert "labels" not in "\n".join(render([unlabelled]))


def test_counts_are_never_percentages() -> None:
    for verbosity in (0, 1):
        text = " ".join("\n".join(render([everything()], verbosity=verbosity)).split())
        assert "TKNP 412 " in text
        assert "412.0" not in text
        assert "412%" not in text


def test_models_are_told_apart() -> None:
    lines = render(samples.two_models())
    titles = [line for line in lines if line.startswith("===")]
    assert len(titles) == 2
    assert "lenet5" in titles[0]
    assert "lenet1" in titles[1]


def test_what_could_not_be_recorded_is_detailed_when_asked() -> None:
    found = Exclusions(dropped_passes=2, details=("2 passes were traced by torch.jit.trace",))
    report = samples.passing(exclusions=found)
    for verbosity, end in ((0, ""), (1, " (2 passes were traced by torch.jit.trace)")):
        text = " ".join("\n".join(render([report], verbosity=verbosity)).split())
        assert f"not counted: 2 passes that could not be recorded{end} IDC total" in text


def test_incomplete_and_partial_are_labelled() -> None:
    text = "\n".join(render([samples.incomplete()]))
    assert "incomplete the run was stopped early: stopping after 1 failures" in text
    assert "not judged" in text
    assert "partial    3 of 41 marked tests ran" in "\n".join(render([samples.remarked()]))


names = st.text(min_size=1, max_size=60)


@settings(deadline=None, max_examples=60)
@given(names, names, names, st.integers(60, 130))
def test_any_name_stays_on_its_line(model: str, name: str, cause: str, width: int) -> None:
    report = samples.failing()
    gate = GateOutcome(name, "IDC=0.29", "failed", 0.1, message="FAIL", reason=cause)
    report = dataclasses.replace(
        report,
        model=dataclasses.replace(report.model, spec=model),
        suites=(dataclasses.replace(report.suites[0], name=name), report.suites[0]),
        gates=(gate,),
        notes=(cause,),
    )
    lines = render([report, report], width=width)
    assert len(lines) <= 2 * SCREEN + 1
    assert all(cell_len(line) <= width for line in lines)
    assert all(line.isprintable() for line in lines)
