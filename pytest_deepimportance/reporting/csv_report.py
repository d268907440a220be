"""The measured numbers as CSV: a row for each suite, criterion, layer and class."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from pytest_deepimportance.formatting import clean, is_formula
from pytest_deepimportance.readings import headline
from pytest_deepimportance.reporting import base
from pytest_deepimportance.reporting.names import WHOLE
from pytest_deepimportance.results import CriterionRow, Report, SuiteResult

COLUMNS = (
    "model", "suite", "criterion", "layer", "class", "unit", "covered", "total", "value", "judged",
    "inputs", "reach", "covered_reached", "exercised_rows", "reference_rows", "random_expected",
    "random_low", "random_high", "before_covered", "before_total", "gained", "lost",
)  # fmt: skip


def render(reports: Sequence[Report]) -> str:
    """Return the reports as CSV; ratios from 0 to 1, nothing where there is no number."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for report, model in zip(reports, base.model_names(reports, WHOLE), strict=True):
        for suite in (*report.suites, report.total):
            for row in suite.criteria.values():
                writer.writerow([name(model), *_cells(report, suite, row)])
    return stream.getvalue()


def name(text: str | None) -> str:
    """Return a name that no spreadsheet takes for a formula."""
    shown = clean(text or "")
    return "'" + shown if is_formula(shown) else shown


def _cells(report: Report, suite: SuiteResult, row: CriterionRow) -> list[object]:
    random = row.random if row.random is not None and row.random.comparable else None
    return [
        name(suite.name),
        name(row.criterion),
        name(row.layer),
        name(row.class_name),
        row.unit,
        row.covered if row.judged else None,
        row.total if row.unit == "ratio" else None,
        repr(row.value) if row.judged else None,
        str(row.judged).lower(),
        row.inputs,
        row.reach,
        row.covered_reached,
        row.exercised_rows,
        row.reference_rows,
        f"{random.expected:.10g}" if random else None,
        random.low if random else None,
        random.high if random else None,
        *_compared(report, suite, row),
    ]


def _compared(report: Report, suite: SuiteResult, row: CriterionRow) -> list[object]:
    """Return what an earlier run had; of the row over all layers and classes only."""
    change = None
    if report.comparison is not None and headline(suite, row.criterion) is row:
        change = report.comparison.change(suite.name, row.criterion)
    if change is None:
        return [None] * 4
    covered, total = change.before or (None, None)
    return [covered, total if change.unit == "ratio" else None, change.gained, change.lost]
