"""What a reviewer still has to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pytest_deepimportance.formatting import clean, listed, plural
from pytest_deepimportance.reporting import base
from pytest_deepimportance.results import Report

Item = tuple[str, str]
"""Kind and sentence."""

_GATES = {"failed": "threshold failed", "not judged": "not judged", "warned": "threshold missed"}
_LIMITS = {"incomplete": "stopped early", "partial": "partial run"}
_OUTCOMES = {
    "failed": "failed",
    "xfailed": "failed as its xfail says",
    "skipped": "was skipped",
}


def open_items(report: Report) -> list[Item]:
    """Return every open item, the weightiest kinds first."""
    return [
        *_of_gates(report),
        *_of_tests(report),
        *_of_requirements(report),
        *((_LIMITS.get(label, label), text) for label, text in base.run_labels(report)),
        *(("note", text) for text in base.notes(report, every=True)),
    ]


def _of_gates(report: Report) -> Iterator[Item]:
    for gate in report.gates:
        if gate.status in _GATES:
            yield _GATES[gate.status], gate.message or _subject(gate.suite, gate.threshold)
    for gate in report.gates:
        if not gate.reason.strip():
            subject = _subject(gate.suite, gate.threshold)
            yield "no reason given", f"nobody said why {subject} was set"
    if not report.gates:
        yield "no threshold", "no threshold was set: nothing here was compared with anything"


def _subject(suite: str, threshold: str) -> str:
    return f"{threshold} (suite {suite})"


def _of_tests(report: Report) -> Iterator[Item]:
    for outcome, what in _OUTCOMES.items():
        names = [test.nodeid for test in report.tests if test.outcome == outcome]
        if names:
            yield f"tests {outcome}", f"{plural(len(names), 'marked test')} {what}: {listed(names)}"
    causes = Counter(clean(test.cause) for test in report.tests if test.cause)
    for cause, number in causes.items():
        yield "nothing recorded", f"{plural(number, 'marked test')}: {cause}"


def _of_requirements(report: Report) -> Iterator[Item]:
    if not report.requirements:
        if report.run.marked_collected:
            text = "no test names a requirement (requirement= of the marker idc_suite)"
            yield "no requirement", text
        return
    traced = {row.suite for row in report.requirements if row.requirement is not None}
    for row in report.requirements:
        if row.requirement is not None:
            continue
        if row.suite in traced:
            tests = plural(len(row.tests), "test")
            yield "no requirement", f"{tests} of suite {row.suite} without a requirement"
        else:
            yield "no requirement", f"suite {row.suite} is traced to no requirement"
