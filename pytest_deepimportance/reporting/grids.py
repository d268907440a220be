"""Tables as titles and cells for reports that are no screen, and the verdict in words."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from pytest_deepimportance.formatting import amount, clean, count, percent, plural
from pytest_deepimportance.readings import headline, row_is_degenerate
from pytest_deepimportance.reporting import base, measured
from pytest_deepimportance.reporting.table import gate_cell, suite_rows
from pytest_deepimportance.results import CriterionRow, Gap, Report, SuiteResult


@dataclass(frozen=True)
class Grid:
    """A table of text; the first column holds names, the others numbers."""

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def without_empty(self) -> Grid:
        """Return the table without columns in which no cell says anything."""
        kept = [
            at
            for at in range(len(self.titles))
            if at == 0 or any(row[at] not in ("", "-") for row in self.rows)
        ]
        return Grid(
            tuple(self.titles[at] for at in kept),
            tuple(tuple(row[at] for at in kept) for row in self.rows),
        )


def verdict(report: Report) -> str:
    """Say how the gate ended: "gate passed (2 thresholds)", "gate failed (1 of 2)", "no gate"."""
    if not report.gates:
        return "no gate"
    failed = [gate for gate in report.gates if gate.status == "failed"]
    open_ = [gate for gate in report.gates if gate.status == "not judged"]
    number = len(report.gates)
    if failed:
        return f"gate failed ({len(failed)} of {plural(number, 'threshold')})"
    if open_:
        return f"gate not judged ({len(open_)} of {plural(number, 'threshold')})"
    warned = sum(gate.status == "warned" for gate in report.gates)
    words = f"gate warned ({warned} of " if warned else "gate passed ("
    return f"{words}{plural(number, 'threshold')})"


def figures(report: Report) -> str:
    """Say the headline: "30.6 % IDC, share 93.8 %"; without IDC the first criterion."""
    if not report.total.rows:
        return "nothing was recorded"
    if not measured.has_idc(report):
        name = next(iter(measured.criteria(report)), "")
        return f"{measured.value_text(headline(report.total, name))} {measured.shown_name(name)}"
    if base.is_degenerate(report):
        return "IDC degenerate (only one combination exists)"
    row = headline(report.total)
    if row is None or not row.judged:
        return "IDC not judged"
    share = "" if row.share is None else f", share {percent(row.share, unit=' %')}"
    return f"{percent(row.fraction, unit=' %')} IDC{share}"


def suites(report: Report) -> Grid:
    """Return the suites with IDC, where it is measured, and what stands beside it."""
    titles = ("suite", "inputs", "IDC", "covered", "of reach", "random suite", "share",
              "accuracy", "gate")  # fmt: skip
    return Grid(
        titles, tuple(_suite(report, suite) for suite in suite_rows(report))
    ).without_empty()


def _suite(report: Report, suite: SuiteResult) -> tuple[str, ...]:
    row = headline(suite)
    usable = row is not None and row.judged and not row_is_degenerate(row)
    right = Fraction(suite.correct, suite.labelled) if suite.labelled else None
    numbers = _numbers(row) if row is not None and usable else ("-",) * 5
    return (
        clean(suite.name),
        count(suite.inputs),
        *numbers,
        percent(right, unit=" %"),
        gate_cell(report, suite),
    )


def _numbers(row: CriterionRow) -> tuple[str, ...]:
    return (
        percent(row.fraction, unit=" %"),
        f"{amount(row.covered)} of {count(row.total)}",
        percent(row.of_reached, unit=" %"),
        random_range(row),
        percent(row.share, unit=" %"),
    )


def random_range(row: CriterionRow) -> str:
    """Write what random suites of the same size cover: "41 (38-43)"."""
    if row.random is None or not row.random.comparable:
        return "-"
    return f"{row.random.expected:,.0f} ({count(row.random.low)}-{count(row.random.high)})"


def criteria(report: Report) -> Grid:
    """Return every criterion beside IDC, for each suite."""
    shown = suite_rows(report)
    return Grid(
        ("criterion", *(clean(suite.name) for suite in shown)),
        tuple(
            (
                measured.shown_name(name),
                *(measured.value_text(headline(suite, name)) for suite in shown),
            )
            for name in measured.criteria(report)
        ),
    )


def classes(report: Report) -> Grid:
    """Return the share of each class, the lowest first."""
    return Grid(
        ("class", "share", "reference inputs", "tested inputs"),
        tuple(
            (
                clean(row.name),
                percent(row.share, unit=" %"),
                f"{count(row.exercised_rows)} of {count(row.reference_rows)}",
                count(row.suite_inputs),
            )
            for row in base.weakest_classes(report.total)
        ),
    )


def important_neurons(report: Report) -> str:
    """Name the important neurons by rank: "fc2[8], [23], [24], [2]"."""
    shown, before = [], None
    for hit in report.total.hits:
        shown.append(
            f"[{hit.index}]" if hit.layer == before else f"{clean(hit.layer)}[{hit.index}]"
        )
        before = hit.layer
    return ", ".join(shown)


def gaps(report: Report, most: int, combination: str) -> Grid:
    """Return the largest gaps of the total.

    Args:
        combination: Title of the column that names the cluster of each important neuron.
    """
    return Grid(
        ("reference inputs", "mostly of class", "such as", combination),
        tuple(
            (
                f"{count(gap.rows)} ({_part(gap, report)})",
                main_class(gap),
                "-"
                if gap.nearest_reference_index is None
                else f"reference[{gap.nearest_reference_index}]",
                " ".join(map(str, gap.combination)),
            )
            for gap in report.total.gaps[:most]
        ),
    )


def _part(gap: Gap, report: Report) -> str:
    usable = report.reference.usable
    return percent(Fraction(gap.rows, usable) if usable else None, unit=" %")


def main_class(gap: Gap) -> str:
    """Write the class most inputs of a gap belong to: "7 (99 %)"."""
    if gap.main_class is None or not gap.rows:
        return "-"
    return f"{clean(gap.main_class)} ({percent(Fraction(gap.main_class_rows, gap.rows), 0, ' %')})"
