"""Requirements, suites and tests: who tests what, and how it went."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from pytest_deepimportance.readings import headline
from pytest_deepimportance.results import Report, RequirementRow, TestRow

_WORST_FIRST = ("failed", "not judged", "warned", "ok")


def requirement_rows(report: Report) -> tuple[RequirementRow, ...]:
    """Return a row for each requirement in each suite; then the tests that name none, by suite.

    Empty where no test names a requirement. The report's gates must be judged.
    """
    if not any(test.requirements for test in report.tests):
        return ()
    groups: dict[tuple[bool, str, str], list[TestRow]] = {}
    for test in report.tests:
        for name in test.requirements or (None,):
            groups.setdefault((name is None, name or "", test.suite), []).append(test)
    return tuple(
        _row(report, None if nameless else name, suite, groups[nameless, name, suite])
        for nameless, name, suite in sorted(groups, key=_order)
    )


def _order(group: tuple[bool, str, str]) -> tuple[bool, list[tuple[int, str]], str]:
    """Sort requirements as people do: 7 before 12."""
    nameless, name, suite = group
    parts = enumerate(re.split(r"(\d+)", name))
    return nameless, [(int(text) if at % 2 else 0, text) for at, text in parts], suite


def _row(
    report: Report, requirement: str | None, suite: str, tests: list[TestRow]
) -> RequirementRow:
    result = report.suite(suite)
    name = next((row.criterion for row in result.criteria.values()), "") if result else ""
    main = headline(result, name) if result else None
    judged = main if main is not None and main.judged else None
    return RequirementRow(
        requirement=requirement,
        suite=suite,
        tests=tuple(test.nodeid for test in tests),
        outcomes=dict(sorted(Counter(test.outcome for test in tests).items())),
        criterion=name,
        covered=None if judged is None else judged.covered,
        total=None if judged is None or judged.unit != "ratio" else judged.total,
        verdict=_verdict(report, suite, tests),
    )


def _verdict(report: Report, suite: str, tests: Iterable[TestRow]) -> str:
    if any(test.outcome == "failed" for test in tests):
        return "tests failed"
    about = {suite} | ({report.total.name} if len(report.suites) == 1 else set())
    found = {gate.status for gate in report.gates if gate.suite in about}
    return next((status for status in _WORST_FIRST if status in found), "no threshold")
