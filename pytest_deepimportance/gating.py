"""The gate: thresholds are judged against a report by one exact comparison.

The outcome's message carries the numbers and is the same in terminal, JUnit and JSON; its shown
percentages never contradict the verdict.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from fractions import Fraction

from pytest_deepimportance.formatting import (
    amount,
    clean,
    contrast,
    count,
    percent,
    places_of,
    plural,
)
from pytest_deepimportance.nouns import NOUNS
from pytest_deepimportance.provenance import ProfileInfo, ReferenceInfo
from pytest_deepimportance.readings import NoVerdict, Reading, read
from pytest_deepimportance.results import GateOutcome, Report, RunInfo, SuiteResult, TestRow
from pytest_deepimportance.thresholds import (
    IDC,
    LOWEST,
    RANDOM,
    Threshold,
    parse_threshold,
)

__all__ = [
    "Threshold",
    "above_reach",
    "before_tests",
    "doubtful",
    "judge",
    "parse_threshold",
    "silent_tests",
]

OK, FAILED, NOT_JUDGED, WARNED = "ok", "failed", "not judged", "warned"

SHARD = "shard"
"""In place of the setting `partial`: these tests are a part of the suite, nothing is judged."""

_WAY_OUT = "lower m or k, or gate reached or share"


def judge(
    report: Report,
    thresholds: Sequence[Threshold],
    *,
    partial: str = "fail",
    unsteady: Collection[str] = (),
) -> tuple[GateOutcome, ...]:
    """Judge each threshold on the report's exact numbers.

    Args:
        report: What was measured; its gates are not looked at.
        thresholds: In the order of the outcomes.
        partial: With marked tests deselected, an unmet threshold is "failed" ("fail") or only
            "warned" ("warn").
        unsteady: Criteria whose number all tests may miss though a part of them reaches it.

    Returns:
        One outcome per threshold. A threshold on something that does not exist, or on a suite in
        which nothing was recorded, fails; one that cannot be judged (the run was stopped early, no
        marked test ran, the random suite is not comparable, a part of the tests meets what all of
        them may not) is "not judged".
    """
    return tuple(_judge(report, threshold, partial, unsteady) for threshold in thresholds)


def above_reach(reach: int, total: int, threshold: Threshold, reference_rows: int) -> str | None:
    """Return a sentence when an IDC threshold lies above what the reference itself covers.

    Args:
        reach: Combinations that occur in the reference.
        total: All combinations.
        threshold: Judged only if it bounds IDC by a number.
        reference_rows: Usable rows of the reference (R).
    """
    value = threshold.value
    if threshold.name != IDC or isinstance(value, str) or not total:
        return None
    if value <= Fraction(reach, total):
        return None
    shown, asked = contrast(Fraction(reach, total) * 100, value * 100)
    return (
        f"{clean(threshold.subject)} {asked} % is asked, but the whole reference "
        f"({plural(reference_rows, 'input')}) reaches {shown} % ({count(reach)} of "
        f"{plural(total, 'combination')}): {_WAY_OUT}"
    )


def before_tests(
    profile: ProfileInfo, reference: ReferenceInfo, thresholds: Sequence[Threshold]
) -> list[str]:
    """Return a sentence for each IDC threshold above what the reference itself reaches.

    The tests still run; the gate then fails with the same reason.
    """
    sentences = []
    for threshold in thresholds:
        spaces = [
            space
            for space in profile.spaces
            if (space.class_name is None) == (threshold.label is None)
            and threshold.label in (None, LOWEST, space.class_name)
            and threshold.layer in (None, space.layer)
        ]
        if not spaces:
            continue
        if threshold.label == LOWEST:
            spaces = [min(spaces, key=lambda space: space.reach / max(space.total, 1))]
        reach, total = sum(s.reach for s in spaces), sum(s.total for s in spaces)
        sentence = above_reach(reach, total, threshold, reference.usable)
        sentences += [sentence] if sentence else []
    return sentences


def doubtful(
    nothing: Report, thresholds: Sequence[Threshold], suites: Sequence[str], *, part: bool = False
) -> list[str]:
    """Return a sentence for each threshold that no test can meet, or that asks for nothing.

    Args:
        nothing: The report of a session without a pass: it has a row for all that is measured.
        suites: Names of the suites there are.
        part: Whether other runs are reported with this one, which may hold other suites.
    """
    sentences = []
    for threshold in thresholds:
        text, suite = f"{threshold.subject}=", threshold.suite
        if threshold.value == 0:
            sentences.append(
                f"{clean(text)}0 asks for nothing: any input meets it; write the least to accept"
            )
        try:
            known = part or suite in (None, nothing.total.name, *suites)
            if suite is not None and not known:
                raise NoVerdict.unknown("suite", suite, suites, "no test is marked")
            read(nothing, nothing.total, threshold)
        except NoVerdict as verdict:
            if verdict.status == FAILED:
                sentences.append(f"{clean(threshold.subject)} cannot be met: {verdict.message}")
    return sentences


def silent_tests(tests: Sequence[TestRow]) -> list[tuple[str, int]]:
    """Return why marked tests recorded nothing: (cause, tests), the most frequent first."""
    causes = Counter(clean(test.cause).rstrip(".") for test in tests if test.cause)
    return causes.most_common()


def _judge(
    report: Report, threshold: Threshold, partial: str, unsteady: Collection[str]
) -> GateOutcome:
    suite_name = report.total.name if threshold.suite is None else threshold.suite
    reading: Reading | None = None
    try:
        if partial == SHARD:
            raise NoVerdict(NOT_JUDGED, "these tests are a shard, all of them are judged together")
        _refuse_stopped_run(report)
        suite = _suite(report, suite_name)
        reading = read(report, suite, threshold)
        status = OK if reading.passes(threshold) else FAILED
        message = _message(threshold, reading, status)
        if status == OK and report.run.partial:
            _refuse_unsteady(report.run, threshold, unsteady)
    except NoVerdict as verdict:
        status, message = verdict.status, verdict.message
        joint = " is not judged: " if status == NOT_JUDGED else ": "
        message = clean(threshold.subject) + joint + message
    if status in (OK, FAILED) and report.run.partial:
        message += f"; partial: {_ran(report.run)}"
        status = WARNED if status == FAILED and partial == "warn" else status
    return GateOutcome(
        suite=suite_name,
        threshold=threshold.text or _text(threshold),
        status=status,
        value=None if reading is None else float(reading.value),
        covered=None if reading is None else reading.covered,
        total=None if reading is None else reading.total,
        needed=None if reading is None else reading.needed(threshold),
        message=message,
        reason=threshold.reason,
        origin=threshold.origin,
    )


def _text(threshold: Threshold) -> str:
    return f"{threshold.subject.rpartition('/')[2]}={threshold.value}"


def _ran(run: RunInfo) -> str:
    whole = max(run.marked_collected, run.marked_ran + run.deselected)
    return f"{count(run.marked_ran)} of {plural(whole, 'marked test')}"


def _refuse_stopped_run(report: Report) -> None:
    if not report.run.complete:
        because = f" ({clean(report.run.incomplete_because)})" * bool(report.run.incomplete_because)
        raise NoVerdict(NOT_JUDGED, f"run incomplete{because}")
    if not report.run.marked_ran and not report.total.rows:
        raise NoVerdict(NOT_JUDGED, "no marked test ran")


def _refuse_unsteady(run: RunInfo, threshold: Threshold, unsteady: Collection[str]) -> None:
    """Refuse to call a threshold met by a part of the tests where all of them may miss it."""
    if threshold.value == RANDOM:
        raise NoVerdict(NOT_JUDGED, f"of more inputs more is asked; partial: {_ran(run)}")
    if threshold.name in unsteady:
        raise NoVerdict(NOT_JUDGED, f"all tests may stay below; partial: {_ran(run)}")


def _suite(report: Report, name: str) -> SuiteResult:
    """Return the suite if it recorded anything, else say why it did not."""
    suite = report.suite(name)
    tests = [test for test in report.tests if test.suite == name or name == report.total.name]
    if suite is None and not tests:
        known = [item.name for item in report.suites]
        raise NoVerdict.unknown("suite", name, known, "no suite recorded anything")
    if suite is None or not suite.rows:
        causes = "; ".join(f"{plural(n, 'test')}: {cause}" for cause, n in silent_tests(tests))
        raise NoVerdict(FAILED, "nothing was recorded" + (f". {causes}" if causes else ""))
    if suite is report.total and not suite.in_total:
        raise NoVerdict(NOT_JUDGED, "only suites with gate=False ran")
    return suite


def _message(threshold: Threshold, reading: Reading, status: str) -> str:
    subject = clean(threshold.subject)
    if threshold.value == RANDOM:
        return _random_message(subject, reading, status)
    value = threshold.value
    assert isinstance(value, Fraction)
    sign = ">=" if status == OK else "<"
    if reading.unit != "ratio":
        return f"{subject} {_plain_message(reading, value, sign)}"
    shown, asked = contrast(reading.value * 100, value * 100)
    parts = f"{amount(reading.covered)} of {count(reading.total or 0)} {NOUNS[threshold.name]}"
    who = f"{reading.who}: " if reading.who else ""
    needed = reading.needed(threshold) or 0
    return (
        f"{subject} {shown} % {sign} {asked} % "
        f"({who}{parts}, {count(needed)} needed{_reach(reading, needed, status)})"
    )


def _plain_message(reading: Reading, bound: Fraction, sign: str) -> str:
    """Return "412 < 500 (88 more needed)" of a count, "1.49 < 1.5" of a float."""
    places = places_of(float(reading.value)) if reading.unit == "float" else 0
    shown, asked = (_grouped(text) for text in contrast(reading.value, bound, places))
    notes = [reading.who] if reading.who else []
    if reading.unit == "count" and sign == "<":
        notes.append(f"{_grouped(str(math.ceil(bound - reading.value)))} more needed")
    return f"{shown} {sign} {asked}" + (f" ({', '.join(notes)})" if notes else "")


def _grouped(number: str) -> str:
    """Put thousands separators into a whole number of any size, digit by digit exact."""
    return f"{int(number):,}" if number.isdigit() else number


def _reach(reading: Reading, needed: int, status: str) -> str:
    if reading.reach is None:
        return ""
    if status == FAILED and needed > reading.reach:
        most = percent(Fraction(reading.reach, reading.total or 1), 2, " %")
        return f", but the reference itself reaches {count(reading.reach)}, {most}: {_WAY_OUT}"
    return f"; reach {count(reading.reach)}"


def _beyond(items: int) -> str:
    """Say why the number is smaller than what the screen calls covered."""
    return f"; {plural(items, 'covered item')} it does not reach left out" if items > 0 else ""


def _random_message(subject: str, reading: Reading, status: str) -> str:
    suite = reading.random
    assert suite is not None
    who = f"{reading.who}; " if reading.who else ""
    drawn = clean(suite.source) or "the reference"
    return (
        f"{subject} {amount(reading.covered)} {'>=' if status == OK else '<'} {count(suite.low)} "
        f"({who}1st percentile of random suites of {plural(suite.inputs, 'input')} from {drawn}"
        f"{_beyond(reading.beyond)})"
    )
