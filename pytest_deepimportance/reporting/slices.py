"""The table of slices on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from pytest_deepimportance.companions import SliceRow
from pytest_deepimportance.formatting import clean, count, listed, percent
from pytest_deepimportance.reporting.text import Paragraph, Section, cell_len, pad, shorten
from pytest_deepimportance.results import Report

_MOST = 4
"""Slices that are shown unless asked for more."""

_LONGEST_NAME = 30
_GAP = "  "


def slices(report: Report, *, verbose: bool) -> Section:
    """Return the slices of the total, the weakest first, single ones before pairs; or nothing."""
    rows = sorted(report.total.slices, key=_order)
    most = len(rows) if verbose else min(len(rows), _MOST)
    alone = [_name(row) for row in rows if row.inputs == 1]

    def build(number: int) -> list[Paragraph]:
        number = len(rows) if len(rows) - number == 1 else number  # "1 more" takes a line too
        rest = len(rows) - number
        more = [f"... and {count(rest)} more (in the JSON report)"] if rest else []
        little = [f"one input only: {listed(alone, 1)}"] if alone else []
        last = "; ".join([*more, *little])
        return [*_table(rows[:number]), *([Paragraph.of(last, "dim")] if last else [])]

    return Section(build, most, min(most, 2), rank=5, apart=True, last=min(most, 1))


def _order(row: SliceRow) -> tuple[int, bool, float, float, str]:
    """Single slices before pairs, the lowest accuracy first, then the lowest share.

    A share grows with the number of inputs, so a single input would always be the weakest: it comes
    last.
    """
    share = 1.0 if row.share is None else row.share
    accuracy = 1.0 if row.accuracy is None else row.accuracy
    return len(row.tags), row.inputs == 1, accuracy, share, _name(row)


def _name(row: SliceRow) -> str:
    text = " ".join(f"{name}={value}" for name, value in row.tags.items())
    return shorten(clean(text), _LONGEST_NAME)


def _table(rows: Sequence[SliceRow]) -> list[Paragraph]:
    columns = [
        ["slice", *map(_name, rows)],
        ["inputs", *(count(row.inputs) for row in rows)],
        ["IDC", *(percent(_ratio(row.covered, row.total)) for row in rows)],
        ["share", *(percent(_ratio(row.exercised_rows, row.reference_rows)) for row in rows)],
        ["accuracy", *(percent(_ratio(row.correct, row.labelled)) for row in rows)],
    ]
    columns = [cells for cells in columns if any(cell != "-" for cell in cells[1:])]
    widths = [max(map(cell_len, cells)) for cells in columns]
    return [
        Paragraph(((_line(cells, widths), "" if number else "dim"),), cut=True)
        for number, cells in enumerate(zip(*columns, strict=True))
    ]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return _GAP.join(
        pad(c, w, left=not at) for at, (c, w) in enumerate(zip(cells, widths, strict=True))
    )


def _ratio(part: int | None, whole: int | None) -> Fraction | None:
    return None if part is None or not whole else Fraction(part, whole)
