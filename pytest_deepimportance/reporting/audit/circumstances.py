"""How it was measured: settings, exclusions, tests."""

from __future__ import annotations

from pytest_deepimportance.formatting import count
from pytest_deepimportance.reporting.audit.deviations import PRESET, deviations
from pytest_deepimportance.reporting.excluded import EXCLUDED
from pytest_deepimportance.reporting.markup import (
    Content,
    Html,
    bullets,
    el,
    section,
    table,
    verdict,
)
from pytest_deepimportance.results import Report


def deviating(report: Report) -> Html:
    """Return the section of settings that are not as in the paper."""
    found = deviations(report)
    title = f"Deviations from preset {PRESET}"
    if not found:
        return section(title, el("p", "Every setting that the numbers depend on is as there."))
    rows = [(item.name, item.paper or "-", item.ours or "-", item.origin) for item in found]
    return section(title, table(("setting", PRESET, "this run", "set in"), rows))


def settings(report: Report) -> Html:
    """Return the section of all settings with their origins."""
    rows = [
        (row.name, _weighted(row.value or "-", row.origin), row.origin) for row in report.settings
    ]
    return section("Settings", table(("setting", "value", "set in"), rows, "settings"))


def _weighted(value: str, origin: str) -> Content:
    """Let what somebody chose stand out among the defaults."""
    return value if origin == "default" else el("b", value)


def exclusions(report: Report) -> Html:
    """Return the section of what was seen but not counted, every kind, also those of 0."""
    rows = [(count(number), what) for number, what in _excluded(report)]
    parts: list[Content] = [table((">number", "what"), rows, "counts")]
    which = [f"suite {name}" for name in _outside(report)] + list(report.exclusions.details)
    if which:
        parts += [el("h3", "Which"), bullets(which)]
    return section("Exclusions", el("p", "Seen, but not counted, or not everywhere:"), *parts)


def _outside(report: Report) -> list[str]:
    return [suite.name for suite in report.suites if not suite.in_total]


def _excluded(report: Report) -> list[tuple[int, str]]:
    found, run, info = report.exclusions, report.run, report.reference
    outcomes = [test.outcome for test in report.tests]
    return [
        (found.unmarked_tests, "unmarked tests that ran the model"),
        (found.unmarked_passes, "passes of unmarked tests"),
        *((getattr(found, name), many) for name, _, many in EXCLUDED),
        (outcomes.count("skipped"), "marked tests that were skipped"),
        (run.deselected, "marked tests that were deselected"),
        (len(_outside(report)), "suites left out of TOTAL (gate=False)"),
        (info.non_finite, "reference rows with NaN or infinity"),
        (info.usable - info.fitted, "reference rows that importance and clusters do not rest on"),
        ((info.available or info.rows) - info.rows, "reference rows not read (sampled)"),
    ]


def tests(report: Report) -> Html:
    """Return the section of all marked tests."""
    if not report.run.marked_collected:
        return section("Tests", el("p", "None: the inputs were measured by themselves."))
    rows = [
        (
            test.nodeid,
            test.suite,
            verdict(test.outcome),
            count(test.passes),
            count(test.inputs),
            ", ".join(test.requirements) or "-",
        )
        for test in report.tests
    ]
    titles = ("test", "suite", "outcome", ">passes", ">inputs", "requirements")
    return section("Tests", table(titles, rows, "tests"))
