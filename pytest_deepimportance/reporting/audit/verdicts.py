"""Thresholds, requirements and open items."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_deepimportance.formatting import amount, count, percent, plural
from pytest_deepimportance.reporting.audit.open_items import open_items
from pytest_deepimportance.reporting.markup import (
    Content,
    Html,
    bullets,
    el,
    section,
    table,
    verdict,
)
from pytest_deepimportance.results import Report, RequirementRow

NO_REASON = "no reason given"

_ABOUT_VERDICTS = (
    "Coverage is that of the whole suite. A verdict is about the tests named and the thresholds on "
    "the suite itself; thresholds on TOTAL stand above."
)


def gates(report: Report) -> Html:
    """Return the section of thresholds, each with who set it where and why."""
    if not report.gates:
        return section("Thresholds", el("p", "No threshold was set."))
    rows = [
        (
            gate.suite,
            el("code", gate.threshold),
            verdict(gate.status),
            gate.message,
            gate.reason.strip() or el("em", NO_REASON),
            gate.origin,
        )
        for gate in report.gates
    ]
    titles = ("suite", "threshold", "verdict", "measured", "reason", "set in")
    return section("Thresholds", table(titles, rows, "thresholds"))


def opened(report: Report) -> Html:
    """Return the section of open items."""
    items = open_items(report)
    if not items:
        return section("Open items", el("p", "Nothing was noticed."))
    return section("Open items", table(("kind", "item"), items, "items"))


def requirements(report: Report) -> Html:
    """Return the section of requirements, suites and tests, in both directions."""
    if not report.requirements:
        return section("Requirements", el("p", "No test names a requirement."))
    named = [row for row in report.requirements if row.requirement is not None]
    titles = ("requirement", "suite", ">coverage of the suite", "verdict", "tests")
    rows = [
        (row.requirement, row.suite, _coverage(row), verdict(row.verdict), _tests(row))
        for row in named
    ]
    return section(
        "Requirements",
        el("p", _ABOUT_VERDICTS),
        el("h3", "From requirement to suite and test"),
        table(titles, rows, "trace"),
        el("h3", "From suite to requirement"),
        _by_suite(report),
    )


def _by_suite(report: Report) -> Html:
    rows = []
    for name in dict.fromkeys(row.suite for row in report.requirements):
        own = [row for row in report.requirements if row.suite == name]
        names = ", ".join(row.requirement for row in own if row.requirement is not None)
        without = next((row for row in own if row.requirement is None), None)
        rows.append(
            (
                name,
                names or el("em", "none"),
                _coverage(own[0]),
                "-" if without is None else _tests(without),
            )
        )
    titles = ("suite", "requirements", ">coverage", "tests without a requirement")
    return table(titles, sorted(rows, key=lambda row: str(row[0])))


def _coverage(row: RequirementRow) -> str:
    if row.covered is None:
        return "-"
    if row.total is None:
        return f"{row.criterion} {amount(row.covered)}"
    ratio = percent(row.covered / row.total if row.total else None)
    return f"{row.criterion} {ratio} ({amount(row.covered)} of {count(row.total)})"


def _tests(row: RequirementRow) -> Content:
    return [_outcomes(row.outcomes), el("div", bullets(row.tests), class_="tests")]


def _outcomes(outcomes: Mapping[str, int]) -> str:
    return ", ".join(f"{count(number)} {outcome}" for outcome, number in outcomes.items())


def summary(report: Report) -> Html:
    """Return the line of numbers at the top."""
    total = report.total
    states = [gate.status for gate in report.gates]
    # Without pytest each suite of inputs stands for a test of its own, which nobody wrote.
    outcomes = [test.outcome for test in report.tests if report.run.marked_collected]
    cells = [
        ("thresholds", _states(states) or "none set"),
        ("tests", _states(outcomes) or "none"),
        ("distinct inputs", f"{count(total.inputs)} in {plural(len(report.suites), 'suite')}"),
        ("open items", count(len(open_items(report)))),
    ]
    return el("div", [el("div", el("b", text), el("span", name)) for name, text in cells],
              class_="summary")  # fmt: skip


def _states(states: list[str]) -> str:
    return _outcomes({state: states.count(state) for state in dict.fromkeys(states)})
