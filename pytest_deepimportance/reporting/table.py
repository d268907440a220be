"""The table of suites as aligned text: columns that say nothing, or do not fit, are left out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from pytest_deepimportance.formatting import amount, clean, count, percent
from pytest_deepimportance.readings import headline
from pytest_deepimportance.reporting import measured
from pytest_deepimportance.reporting.base import is_degenerate
from pytest_deepimportance.reporting.remarks import MARK, notable
from pytest_deepimportance.reporting.text import Paragraph, cell_len, pad, shorten
from pytest_deepimportance.results import (
    CriterionRow,
    GateOutcome,
    RandomSuite,
    Report,
    SuiteResult,
)
from pytest_deepimportance.thresholds import MEASURED, RANDOM

_GAP = 2
_SHORTEST_NAME = 8
_LONGEST_NAME = 30


@dataclass(frozen=True)
class _Column:
    """One column, of a criterion or of something else.

    Attributes:
        drop: Orders what goes first when the terminal is narrow (0: it stays).
    """

    title: str
    cells: tuple[str, ...]
    drop: int = 0
    criterion: str = ""

    @property
    def width(self) -> int:
        return max(cell_len(text) for text in (self.title, *self.cells))


def suite_rows(report: Report) -> list[SuiteResult]:
    """Return the suites in table order; the total last, unless one suite is all there is."""
    if len(report.suites) == 1:
        return list(report.suites)
    return [*report.suites, report.total]


def criteria_shown(report: Report, width: int) -> list[str]:
    """Return the criteria that are columns of the table: where IDC is not measured, what fits."""
    if measured.has_idc(report):
        return []
    columns = _shown_columns(report, suite_rows(report), width)
    return [column.criterion for column in columns if column.criterion]


def table(report: Report, width: int, most: int) -> list[Paragraph]:
    """Return the table of suites, at most `most` of them (and the total) by name."""
    rows = suite_rows(report)
    shown, folded = _chosen(report, rows, most)
    names = [clean(row.name) for row in shown]
    columns = _shown_columns(report, shown, width)
    if not measured.has_idc(report):  # the same criteria, whichever suites are shown
        kept = criteria_shown(report, width)
        columns = [c for c in columns if not c.criterion or c.criterion in kept]
    taken = _width(columns)
    longest = max(cell_len(name) for name in (*names, "suite"))
    name_width = max(_SHORTEST_NAME, min(longest, _LONGEST_NAME, width - taken))
    lines = [_line("suite", columns, -1, name_width, "dim")]
    for index, row in enumerate(shown):
        if row is report.total and folded:
            lines.append(_folded(folded))
        style = "bold" if row is report.total else ""
        name = shorten(names[index], name_width)
        lines.append(_line(name, columns, index, name_width, style))
    if folded and report.total not in shown:
        lines.append(_folded(folded))
    return lines


def _folded(number: int) -> Paragraph:
    return Paragraph.of(f"... and {count(number)} more (in the JSON report)", "dim")


def _chosen(
    report: Report, rows: Sequence[SuiteResult], most: int
) -> tuple[list[SuiteResult], int]:
    """Keep the total and the first `most` suites, those with an unmet threshold before others."""
    unmet = {outcome.suite for outcome in report.gates if outcome.status in ("failed", "warned")}
    suites = [row for row in rows if row is not report.total]
    most = len(suites) if len(suites) - most == 1 else max(most, 1)  # a fold line takes a line
    kept = sorted(suites, key=lambda row: row.name not in unmet)[:most]
    return [row for row in rows if row is report.total or row in kept], len(suites) - len(kept)


def _shown_columns(report: Report, rows: Sequence[SuiteResult], width: int) -> list[_Column]:
    """Return the columns that fit; no number and no name is cut for the bound of a threshold."""
    whole, brief = (
        _fitting(_columns(report, rows, brief=brief), width - _SHORTEST_NAME)
        for brief in (False, True)
    )
    longest = min(max(cell_len(clean(row.name)) for row in rows), _LONGEST_NAME)
    room = len(whole) == len(brief) and _width(whole) + longest <= width
    return whole if room else brief


def _columns(report: Report, rows: Sequence[SuiteResult], *, brief: bool = False) -> list[_Column]:
    columns = [
        _Column("inputs", tuple(count(row.inputs) for row in rows)),
        *(_of_idc(report, rows) if measured.has_idc(report) else _of_others(report, rows)),
        _Column("accuracy", tuple(_accuracy(row) for row in rows), 2),
        _Column("gate", tuple(gate_cell(report, row, brief=brief) for row in rows)),
    ]
    return [column for column in columns if any(cell != "-" for cell in column.cells)]


def _of_others(report: Report, rows: Sequence[SuiteResult]) -> list[_Column]:
    """Return a column for each criterion; the last go first, but for the very first."""
    names, marked = measured.criteria(report), notable(report)
    return [
        _Column(
            measured.shown_name(name) + MARK * (name in marked),
            tuple(measured.value_text(headline(row, name)) for row in rows),
            -at,
            criterion=name,
        )
        for at, name in enumerate(names)
    ]


def _of_idc(report: Report, rows: Sequence[SuiteResult]) -> list[_Column]:
    main = [headline(row) for row in rows]
    random = [row.random if row is not None and row.judged else None for row in main]
    degenerate = is_degenerate(report)
    covered = [row if row and row.judged and not degenerate else None for row in main]
    return [
        _Column("IDC", tuple("-" if r is None else percent(r.fraction) for r in covered)),
        _Column("covered", tuple("-" if r is None else amount(r.covered) for r in covered), 3),
        _Column(
            "of reach",
            tuple("-" if r is None else percent(_of_reach(r)) for r in covered),
            1,
        ),
        _Column("random suite", _random_cells(random), 4),
        _Column("share", tuple("-" if r is None else percent(r.share) for r in covered)),
    ]  # fmt: skip


def _of_reach(row: CriterionRow) -> Fraction | None:
    covered, reach = row.covered_reached, row.reach
    return None if covered is None or not reach else Fraction(covered, reach)


def _accuracy(row: SuiteResult) -> str:
    return percent(Fraction(row.correct, row.labelled) if row.labelled else None)


def _random_cells(suites: Sequence[RandomSuite | None]) -> tuple[str, ...]:
    """Align "141 127-155": the expected number, then its 1-99 % range."""
    expected = [
        count(math.floor(suite.expected + 0.5)) if suite and suite.comparable else ""
        for suite in suites
    ]
    ranges = [
        f"{count(suite.low)}-{count(suite.high)}" if suite and suite.comparable else ""
        for suite in suites
    ]
    left, right = max(map(len, expected), default=0), max(map(len, ranges), default=0)
    return tuple(
        f"{number:>{left}} {between:>{right}}" if number else ("-" if suite is None else "unlike")
        for suite, number, between in zip(suites, expected, ranges, strict=True)
    )


def gate_cell(report: Report, row: SuiteResult, *, brief: bool = False) -> str:
    """Return the verdict on one suite: "-", "IDC>=29% ok", "TOO LOW", "not judged".

    Args:
        brief: "IDC ok", without the bound.
    """
    names = {row.name, report.total.name} if len(report.suites) == 1 else {row.name}
    outcomes = [outcome for outcome in report.gates if outcome.suite in names]
    if not outcomes:
        return "-"
    status = {outcome.status for outcome in outcomes}
    if "failed" in status:
        measured = all(o.value is not None for o in outcomes if o.status == "failed")
        return "TOO LOW" if measured else "FAILED"
    if "warned" in status:
        return "too low"
    if "not judged" in status:
        return "degenerate" if is_degenerate(report) else "not judged"
    return _ok(outcomes, brief)


def _ok(outcomes: Sequence[GateOutcome], brief: bool) -> str:
    if len(outcomes) > 1:
        return f"{len(outcomes)} ok"
    name, _, value = outcomes[0].threshold.partition("=")
    if len(name) > _SHORTEST_NAME:
        return "ok"
    return f"{name} ok" if brief or value == RANDOM else f"{name}>={_bound(name, value)} ok"


def _bound(name: str, value: str) -> str:
    """Return the bound of a threshold: "29%" of a ratio, any other as it was typed."""
    criterion = name.partition("@")[0].partition(":")[0]
    if MEASURED.get(criterion, "ratio") != "ratio":
        return value
    try:
        bound = percent(Fraction(value), 2, bare=True)
    except ValueError:
        return value
    return bound[:-1].rstrip("0").rstrip(".") + "%"


def _width(columns: Sequence[_Column]) -> int:
    return sum(column.width + _GAP for column in columns)


def _fitting(columns: list[_Column], width: int) -> list[_Column]:
    """Leave out columns until the rest fits."""
    while _width(columns) > width:
        droppable = [column for column in columns if column.drop]
        if not droppable:
            return columns
        columns = [column for column in columns if column is not min(droppable, key=_order)]
    return columns


def _order(column: _Column) -> int:
    return column.drop


_STYLES = {
    "TOO LOW": "bold red", "FAILED": "bold red", "too low": "yellow",
    "not judged": "yellow", "degenerate": "yellow",
}  # fmt: skip


def _line(
    name: str, columns: Sequence[_Column], index: int, name_width: int, style: str
) -> Paragraph:
    spans = [(pad(name, name_width, left=True), style)]
    for column in columns:
        cell = column.title if index < 0 else column.cells[index]
        look = _STYLES.get(cell, "green" if cell.endswith(" ok") or cell == "ok" else style)
        spans.append((" " * _GAP + pad(cell, column.width), look))
    return Paragraph(tuple(spans), cut=True)
