"""The numbers of classes and layers, the lowest first: where the whole looks better than it is."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from pytest_deepimportance.formatting import amount, count, percent
from pytest_deepimportance.reporting import base
from pytest_deepimportance.reporting.markup import Content, Html, el, table
from pytest_deepimportance.results import Report

MOST = 20
"""Rows of a table at most: a model may have a thousand classes."""


def parts(report: Report) -> list[Content]:
    """Return tables of shares by class, and of IDC by layer and class where there are several."""
    return [*_classes(report), *_rows(report, classes=False), *_rows(report, classes=True)]


def _classes(report: Report) -> list[Content]:
    rows = [
        (
            row.name,
            count(row.reference_rows),
            percent(Fraction(row.exercised_rows, row.reference_rows)),
            count(row.suite_inputs),
        )
        for row in base.weakest_classes(report.total)
    ]
    source = report.total.classes_from
    tested = ">inputs of all suites" + (f" (by {source})" if source else "")
    return _titled("Share by class", ("class", ">reference rows", ">share exercised", tested), rows)


def _rows(report: Report, *, classes: bool) -> list[Content]:
    rows = [
        (
            (row.class_name if classes else row.layer) or "",
            percent(row.fraction),
            f"{amount(row.covered)} of {count(row.total)}",
            "-" if row.share is None else percent(row.share),
        )
        for row in base.other_rows(report.total, classes=classes)
    ]
    part = "class" if classes else "layer"
    return _titled(f"IDC by {part}", (part, ">IDC", ">covered", ">share"), rows)


def _titled(title: str, titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[Content]:
    """Return the first rows under a heading that says how many there are; nothing without rows."""
    if not rows:
        return []
    which = ", the lowest first"
    if len(rows) > MOST:
        which = f", the lowest {MOST} of {count(len(rows))} (all are in report.json)"
    shown: Html = table(titles, rows[:MOST], "parts")
    return [el("h3", title + which), shown]
