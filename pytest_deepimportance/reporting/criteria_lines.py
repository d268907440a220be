"""The criteria beside IDC on the screen: lines under the table of suites, or their own table."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_deepimportance.formatting import amount, clean, count
from pytest_deepimportance.readings import headline
from pytest_deepimportance.reporting import measured
from pytest_deepimportance.reporting.remarks import MARK, notable
from pytest_deepimportance.reporting.text import Paragraph, Section, cell_len, pad, shorten
from pytest_deepimportance.results import Report, SuiteResult

_LABEL = "also   "
_GAP = 2
_LONGEST_SUITE = 14


def also(report: Report, width: int, elsewhere: Sequence[str]) -> Section:
    """Return the total of each criterion, as "NC 61.3%" in columns, `elsewhere` left out."""
    marked = notable(report)
    cells = [
        f"{measured.shown_name(name)} {_marked(report.total, name, marked)}"
        for name in measured.criteria(report)
        if name not in elsewhere
    ]
    lines = _grid(cells, width - len(_LABEL))

    def build(most: int) -> list[Paragraph]:
        texts = lines[:most]
        if most < len(lines):
            texts[-1] += "  ..."
        return [
            Paragraph(((_LABEL if at == 0 else " " * len(_LABEL), "dim"), (text, "")), cut=True)
            for at, text in enumerate(texts)
        ]

    return Section(build, len(lines), min(1, len(lines)), rank=6)


def _marked(suite: SuiteResult, name: str, marked: set[str]) -> str:
    text = measured.value_text(headline(suite, name))
    return text + MARK * (name in marked and text != "-")


def _grid(cells: Sequence[str], width: int) -> list[str]:
    """Lay cells out in as few lines as fit, one under the other; equally full ones at best."""
    for lines in range(1, len(cells) + 1):
        across = -(-len(cells) // lines)
        rows = [cells[at : at + across] for at in range(0, len(cells), across)]
        widths = [max(cell_len(row[at]) for row in rows if at < len(row)) for at in range(across)]
        if sum(widths) + _GAP * (across - 1) <= width or across == 1:
            gap = " " * _GAP
            return [
                gap.join(pad(c, w, left=True) for c, w in zip(row, widths, strict=False)).rstrip()
                for row in rows
            ]
    return []


def details(report: Report, width: int) -> Section:
    """Return a row for each criterion: total, items, layers, suites; the rest stands below."""
    suites = [] if len(report.suites) == 1 else list(report.suites)
    names, marked = measured.criteria(report), notable(report)
    columns = [
        ["criterion", *map(measured.shown_name, names)],
        [clean(report.total.name), *(_marked(report.total, name, marked) for name in names)],
        ["covered", *(_covered(report, name) for name in names)],
        ["layers", *(_layers(report, name) for name in names)],
    ]
    random = [_beside_random(report, name) for name in names]
    if any(text != "-" for text in random):
        columns.append(["random suite", *random])
    lines: list[Paragraph] = []
    for suite in suites:
        title = shorten(clean(suite.name), _LONGEST_SUITE)
        more = [title, *(measured.value_text(headline(suite, name)) for name in names)]
        if _taken([*columns, more]) > width:
            lines += [*_aligned(columns), Paragraph.of("")]
            columns = [columns[0]]
        columns.append(more)
    lines += _aligned(columns)
    return Section(lambda _: lines if names else [], int(bool(names)), rank=6, apart=True)


def _covered(report: Report, name: str) -> str:
    row = headline(report.total, name)
    if row is None or row.unit != "ratio":
        return "-"
    return f"{amount(row.covered)} of {count(row.total)}"


def _beside_random(report: Report, name: str) -> str:
    """Return the 1-99 % range of random suites, and how many times as much is covered."""
    row = headline(report.total, name)
    if row is None or row.random is None or row.random.effect is None or not row.judged:
        return "-"
    return f"{count(row.random.low)}-{count(row.random.high)} x{row.random.effect:.2f}"


def _layers(report: Report, name: str) -> str:
    return str(len(measured.layers_of(report.total, name)) or "-")


def _width(cells: Sequence[str]) -> int:
    return max(map(cell_len, cells))


def _taken(columns: Sequence[Sequence[str]]) -> int:
    return sum(_width(cells) + _GAP for cells in columns) - _GAP


def _aligned(columns: Sequence[Sequence[str]]) -> list[Paragraph]:
    """Return rows with the first column to the left, the others to the right."""
    widths = [_width(cells) for cells in columns]
    lines = []
    for at, row in enumerate(zip(*columns, strict=True)):
        parts = [pad(row[0], widths[0], left=True)]
        parts += [pad(cell, width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append(Paragraph((((" " * _GAP).join(parts), "dim" if at == 0 else ""),), cut=True))
    return lines
