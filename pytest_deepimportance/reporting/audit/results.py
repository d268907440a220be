"""The measured numbers, each with what limits it."""

from __future__ import annotations

from fractions import Fraction

from pytest_deepimportance.comparison import Comparison
from pytest_deepimportance.formatting import amount, clean, count, percent, plural, significant
from pytest_deepimportance.readings import headline, row_is_degenerate, why_not_judged
from pytest_deepimportance.reporting import base, compare_table, compared, measured
from pytest_deepimportance.reporting.audit.parts import parts
from pytest_deepimportance.reporting.grids import random_range
from pytest_deepimportance.reporting.markup import Content, Html, bullets, el, section, table
from pytest_deepimportance.results import CriterionRow, RandomSuite, Report, SuiteResult
from pytest_deepimportance.thresholds import IDC


def results(report: Report) -> Html:
    """Return the section of all numbers."""
    found: list[Content] = []
    if measured.has_idc(report):
        found += [el("h3", "Importance-Driven Coverage by suite"), _idc(report)]
    if measured.criteria(report):
        found += [el("h3", "Other criteria by suite"), _others(report)]
    found += parts(report)
    if report.comparison is not None:
        found += _compared(report.comparison)
    found += [el("h3", "All suites together, with limits"), _limited(report)]
    found += [el("h3", "What limits these numbers"), bullets(_limits(report))]
    return section("Results", *found)


def _compared(found: Comparison) -> list[Content]:
    grid = compared.grid(found)
    first, second, *rest = grid.titles
    titles = (first, second, *(">" + title for title in rest))
    return [
        el("h3", compared.title(found)),
        el("p", compare_table.headline(found)),
        table(titles, grid.rows),
        bullets(compared.lines(found)),
    ]


def suites_of(report: Report) -> list[SuiteResult]:
    """Return the suites, the total last."""
    return [*report.suites, report.total]


def _idc(report: Report) -> Html:
    titles = ("suite", ">inputs", ">IDC", ">covered", ">of reach", ">random suite", ">share",
              ">near boundary", ">accuracy")  # fmt: skip
    rows = []
    for suite in suites_of(report):
        row = headline(suite)
        judged = row if row is not None and row.judged and not row_is_degenerate(row) else None
        right = Fraction(suite.correct, suite.labelled) if suite.labelled else None
        cells = ["-"] * 6 if judged is None else _idc_cells(judged)
        rows.append((suite.name, count(suite.inputs), *cells, percent(right)))
    return table(titles, rows, "totalled")


def _idc_cells(row: CriterionRow) -> list[str]:
    return [
        percent(row.fraction),
        f"{amount(row.covered)} of {count(row.total)}",
        "-" if row.of_reached is None else percent(row.of_reached),
        random_range(row),
        "-" if row.share is None else percent(row.share),
        near_boundary(row),
    ]


def near_boundary(row: CriterionRow) -> str:
    """Write how many items or inputs are within rounding of a boundary."""
    number = row.details.get("near_boundary")
    return count(number) if isinstance(number, int) else "-"


def _others(report: Report) -> Html:
    names = measured.criteria(report)
    rows = [
        (suite.name, *(measured.value_text(headline(suite, name)) for name in names))
        for suite in suites_of(report)
    ]
    titles = ("suite", *(">" + measured.shown_name(name) for name in names))
    return table(titles, rows, "totalled")


def _limited(report: Report) -> Html:
    names = [*([IDC] if measured.has_idc(report) else []), *measured.criteria(report)]
    rows = [(name, row) for name in names if (row := headline(report.total, name)) is not None]
    titles = ("criterion", ">value", ">covered", ">reach", ">random suite (1-99 %)",
              ">near boundary", ">by failing tests only", "remark")  # fmt: skip
    return table(titles, [_limited_cells(name, row) for name, row in rows])


def _limited_cells(name: str, row: CriterionRow) -> tuple[str, ...]:
    covered = amount(row.covered) + (f" of {count(row.total)}" if row.unit == "ratio" else "")
    return (
        clean(name),
        measured.value_text(row),
        covered if row.judged and row.unit != "float" else "-",
        "-" if row.reach is None else count(row.reach),
        random_range(row),
        near_boundary(row),
        count(row.only_failing),
        _remark(row),
    )


def _remark(row: CriterionRow) -> str:
    """Say why a number, or its random suite, is missing."""
    if not row.judged:
        return f"not judged: {why_not_judged([row])}"
    if row.random is not None and not row.random.comparable:
        return f"random suite {row.random.note or 'not comparable'}"
    return "a count, without a total" if row.unit == "count" else ""


def _limits(report: Report) -> list[str]:
    """Say in sentences how far the numbers go."""
    said = [
        "The numbers say how much of what the model learned from the reference data the tests "
        "exercise. They do not say whether the model is right, nor anything about situations that "
        "the reference data lack."
    ]
    said += _limits_of_idc(report) if measured.has_idc(report) else []
    said.append(
        "Near boundary: inputs or items whose value lies within rounding of a boundary; on another "
        "device, or with TF32, they may fall on its other side."
    )
    if report.total.leaks is None:
        said.append("Whether inputs are in the reference data too is not known.")
    elif not report.total.leaks.inputs:
        checked = plural(report.total.leaks.checked, "distinct reference input")
        said.append(
            f"No input is one of the {checked} byte for byte; near duplicates are not found."
        )
    return said


def _limits_of_idc(report: Report) -> list[str]:
    row = headline(report.total)
    said = [
        f"Reach: {base.items(report)}. What the reference never does may not be reachable by any "
        "input; of reach = covered among reached / reached."
    ]
    if row is None or not row.judged:
        return said
    if row.exercised_rows is not None and row.reference_rows:
        rest = Fraction(row.reference_rows - row.exercised_rows, row.reference_rows)
        said.append(
            f"Share: {count(row.exercised_rows)} of {count(row.reference_rows)} reference rows "
            f"behave in a way that some test exercises; {percent(rest)} do not."
        )
    if row.random is not None:
        said.append(_random(row.random))
    ceiling = row.details.get("ceiling")
    if ceiling is not None and ceiling < 1:
        most = percent(ceiling)
        said.append(f"Ceiling: {plural(row.inputs, 'input')} can cover {most} at most.")
    return said


def _random(suite: RandomSuite) -> str:
    if not suite.comparable:
        return f"Random suite: {suite.note or 'not comparable'}."
    source = "the reference itself, which the model may know by heart"
    if suite.source:
        source = f"the held-out data {suite.source}"
    return (
        f"Random suite: {plural(suite.inputs, 'random input')} of {source} cover "
        f"{significant(suite.expected)} on average, {count(suite.low)} to {count(suite.high)} in "
        f"98 of 100 cases ({suite.method or 'closed form'}); these tests cover "
        f"{count(suite.covered)} of the same items."
    )
