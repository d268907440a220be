"""What is missing and what to do next, as sections of the screen."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from pytest_deepimportance.formatting import clean, count, listed, percent, plural
from pytest_deepimportance.readings import headline
from pytest_deepimportance.reporting import base, measured
from pytest_deepimportance.reporting.missing_report import names_something
from pytest_deepimportance.reporting.shortfalls import is_about_idc, lowest_layers, shortfalls
from pytest_deepimportance.reporting.text import Paragraph, Section, cell_len, shorten
from pytest_deepimportance.results import GateOutcome, Report, SuiteResult

MARGIN = 5
"""Columns of "FAIL ", under which explanations stand."""

_CLASS_NAME = 20
_CLEARLY_BELOW = 0.25
"""A suite's class is worth a line when its share lies this far below the total's weakest class."""


def weakest(report: Report, width: int, *, apart: bool) -> Section:
    """Say what to look at although nothing failed: weak classes and layers, gap, balance."""
    total = report.total
    balance = base.class_balance(total)
    entries = _weak_line(
        "weakest classes (share): ",
        [
            (_name(row.name), percent(row.share))
            for row in base.weakest_classes(total)
            if row.exercised_rows < row.reference_rows
        ],
        width,
    )
    entries[:0] = _weakest_suite(report, width)
    if total.gaps:
        size = base.gap_size(total.gaps[0], report.reference.usable)
        example = _example(total.gaps[0].nearest_reference_index)
        text = f"{size}{example} behave in a way no test exercises"
        entries.append(Paragraph.labelled("largest gap:", text, "", column=13))
    if balance:
        place = 0 if base.untested_classes(total) else len(entries)
        entries.insert(place, Paragraph.labelled("class balance:", balance, "", column=15))
    if not measured.has_idc(report):
        entries.extend(_weakest_layers(report, width))
    for classes, label in ((True, "weakest classes (IDC): "), (False, "weakest layers (IDC): ")):
        rows = [
            (_name((row.class_name if classes else row.layer) or ""), percent(row.fraction))
            for row in base.other_rows(total, classes=classes)
        ]
        entries.extend(_weak_line(label, rows, width))
    least = min(1, len(entries))
    return Section(lambda n: entries[:n], len(entries), least, rank=4, apart=apart)


def _weakest_layers(report: Report, width: int) -> list[Paragraph]:
    """Name the lowest layers of the first criterion, where that is a ratio."""
    name = next(iter(measured.criteria(report)), "")
    row = headline(report.total, name)
    if row is None or row.unit != "ratio":
        return []
    label = f"weakest layers ({measured.shown_name(name)}): "
    layers = lowest_layers(report.total, name)
    return _first_fitting(label, layers, width)


def _weakest_suite(report: Report, width: int) -> list[Paragraph]:
    """Name the suite that leaves a class out which the other suites make up for in the total."""
    total = base.weakest_classes(report.total)
    bound = total[0].share if total else None
    found = []
    for suite in report.suites:
        shares = [(row.share, row) for row in base.weakest_classes(suite) if row.share is not None]
        if shares and suite.rows and bound is not None and shares[0][0] < bound - _CLEARLY_BELOW:
            found.append((shares[0][0], suite, shares))
    if not found or len(report.suites) < 2:
        return []
    _, suite, shares = min(found, key=lambda entry: (entry[0], entry[1].name))
    names = [
        (_name(row.name), percent(share))
        for share, row in shares
        if bound is not None and share < bound - _CLEARLY_BELOW
    ]
    return _weak_line(f"{_name(suite.name)} leaves out (share): class ", names, width)


def _weak_line(label: str, names: Sequence[tuple[str, str]], width: int) -> list[Paragraph]:
    return _first_fitting(label, [f"{name} {value}" for name, value in names], width)


def _first_fitting(label: str, entries: Sequence[str], width: int) -> list[Paragraph]:
    """Return up to three entries that fit on one line."""
    most = 3
    while most > 1 and cell_len(label + ", ".join(entries[:most])) > width:
        most -= 1
    text = ", ".join(entries[:most])
    return [Paragraph.labelled(label, text, "", column=len(label))] * bool(entries)


def _name(name: str) -> str:
    return shorten(clean(name), _CLASS_NAME)


def _example(index: int | None) -> str:
    return "" if index is None else f", such as reference[{index}],"


def missing(report: Report, unmet: Sequence[GateOutcome]) -> Section:
    """Say why a threshold was not met: what the failing suite leaves out, by criterion."""
    leads, texts = 0, []
    about_idc = [outcome for outcome in unmet if is_about_idc(outcome)]
    if about_idc:
        suite = _with_details(report, about_idc)
        details = _classes_left_out(suite) + ([_gaps(suite)] if suite.gaps else [])
        texts = [_lead(report, suite), *details] if details else []
        leads = int(bool(texts))  # the first line alone says nothing
    texts += shortfalls(report, unmet)
    lines = [Paragraph.of(" " * MARGIN + text, indent=MARGIN) for text in texts]
    least = min(2 * leads, len(lines))
    return Section(lambda n: lines[:n] if n > leads else [], len(lines), least, rank=5)


def _with_details(report: Report, unmet: Sequence[GateOutcome]) -> SuiteResult:
    """Return the first suite with an unmet threshold if classes or gaps are known for it."""
    suite = report.suite(unmet[0].suite) or report.total
    return suite if suite.classes or suite.gaps else report.total


def _lead(report: Report, suite: SuiteResult) -> str:
    untested = base.untested_classes(suite)
    what = "they skip learned behaviour"
    if untested:
        what = f"no input is of class {listed(map(_name, untested))}"
    if suite.failed_tests:
        return f"{plural(suite.failed_tests, 'test')} failed, and {what}:"
    accuracy = Fraction(suite.correct, suite.labelled) if suite.labelled else None
    shown = percent(accuracy, unit=" %")
    if report.run.marked_ran:
        high = f" and accuracy is {shown}" if accuracy is not None else ""
        return f"The tests pass{high}, but {what}:"
    if accuracy is not None:
        return f"Accuracy is {shown}, but {what}:"
    return f"{what[0].upper()}{what[1:]}:"


def _classes_left_out(suite: SuiteResult) -> list[str]:
    rows = base.weakest_classes(suite)
    weak = [row for row in rows[:3] if row.exercised_rows < row.reference_rows]
    if not weak:
        return []
    shares = ", ".join(f"{_name(row.name)}: {percent(row.share, unit=' %')}" for row in weak)
    rest = [row.share for row in rows[3:] if row.share is not None]
    if not rest:
        return [f"share of class {shares}"]
    low, high = (percent(value, 0, "") for value in (min(rest), max(rest)))
    return [f"share of class {shares}, others {low if low == high else f'{low}-{high}'} %"]


def _gaps(suite: SuiteResult) -> str:
    """Return "largest gaps: 2,006 reference inputs (99 % class 7), 1,777 (7), 1,545 (9)"."""
    parts: list[str] = []
    for gap in suite.gaps[:3]:
        text, who = count(gap.rows), ""
        if gap.main_class is not None and gap.rows:
            share = percent(Fraction(gap.main_class_rows, gap.rows), 0, " %")
            who = _name(gap.main_class) if parts else f"{share} class {_name(gap.main_class)}"
        text += "" if parts else f" reference input{'s' * (gap.rows != 1)}"
        parts.append(text + (f" ({who})" if who else ""))
    return f"largest gap{'s' * (len(parts) > 1)}: {', '.join(parts)}"


def advice(report: Report, unmet: Sequence[GateOutcome]) -> Section:
    """Say what to type or change next; only what exists."""
    texts = _what_to_add(report, [outcome for outcome in unmet if is_about_idc(outcome)])
    asked = next((row.value for row in report.settings if row.name == "report"), "")
    option = "pytest --idc-report" if report.run.marked_ran else "--report"
    if names_something(report):
        if "term-missing" not in asked:
            texts.append(f"{option}=term-missing   names what is missing")
    elif "json:" not in asked:
        texts.append(f"{option}=json:idc.json   every layer, number and setting")
    label = "What to do   "
    lines = [
        Paragraph(((label if at == 0 else " " * len(label), "bold"), (text, "")), len(label))
        for at, text in enumerate(texts)
    ]
    return Section(lambda n: lines[:n], len(lines), min(1, len(lines)), rank=2)


def _what_to_add(report: Report, unmet: Sequence[GateOutcome]) -> list[str]:
    """Return what tests would cover more combinations, if a threshold on these is unmet."""
    if not unmet:
        return []
    suite = _with_details(report, unmet)
    weak = [row for row in base.weakest_classes(suite) if row.exercised_rows < row.reference_rows]
    if weak:
        return [f"add tests for class {listed((_name(r.name) for r in weak[:3]), 3)}"]
    if suite.gaps and suite.gaps[0].nearest_reference_index is not None:
        return [f"add inputs like reference[{suite.gaps[0].nearest_reference_index}]"]
    return []
