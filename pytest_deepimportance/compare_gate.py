"""Thresholds on a comparison: how much may be lost (`IDC=0.02`, `clean/share=0`)."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from fractions import Fraction

from pytest_deepimportance.comparison import Change, Comparison
from pytest_deepimportance.errors import GateError, did_you_mean
from pytest_deepimportance.formatting import contrast, count, decimal, exact
from pytest_deepimportance.parsing import spelled
from pytest_deepimportance.results import GateOutcome
from pytest_deepimportance.thresholds import IDC, MEASURED, REACHED, SHARE

_TOTAL = "TOTAL"
_ALL = 100
"""Percentage points that a ratio has."""


@dataclass(frozen=True)
class Tolerance:
    """How much one number may fall."""

    text: str
    suite: str
    name: str
    value: Fraction


def tolerances(
    texts: Iterable[str], *, criteria: Collection[str] | None = MEASURED
) -> list[Tolerance]:
    """Parse tolerances `[SUITE/]NAME=VALUE`; VALUE of a ratio is a ratio: 0.02 is two points.

    Args:
        criteria: Those that can be measured; None where they are not known yet.

    Raises:
        GateError: One of them is malformed, or names a number that no run has.
    """
    given = [_parsed(text) for text in texts]
    for tolerance in given if criteria is not None else ():
        known = [SHARE, *(criteria or ())]
        if tolerance.name.lower() not in [name.lower() for name in known]:
            raise GateError(
                f"tolerance {tolerance.text!r}: runs are not compared by {tolerance.name!r}",
                fix=f"Names: {', '.join(known)}. {did_you_mean(tolerance.name, known)}".strip(),
            )
    return given


def _parsed(text: str) -> Tolerance:
    left, sign, right = text.strip().rpartition("=")
    suite, _, name = left.strip().rpartition("/")
    try:
        value = Fraction(right.strip())
    except (ValueError, ZeroDivisionError):
        value = Fraction(-1)
    if not sign or not name or value < 0:
        raise GateError(
            f"tolerance {text!r} is not of the form NAME=VALUE with a VALUE from 0 upwards",
            "It says by how much a number may fall against the run compared with.",
            "For example: IDC=0.02 (two percentage points), share=0, clean/TKNP=5",
        )
    if MEASURED.get(name, "ratio" if name in (SHARE, REACHED) else "") == "ratio":
        _refuse_boundless(text.strip(), left.strip(), value)
    return Tolerance(text.strip(), suite or _TOTAL, name, value)


def _refuse_boundless(text: str, left: str, value: Fraction) -> None:
    """Refuse a tolerance that no fall of a ratio exceeds: IDC=2 was meant as 2 %."""
    if value < 1:
        return
    meant = f"Write {left}={exact(value / 100)} for {exact(value)} percentage points."
    raise GateError(
        f"tolerance {text} allows any fall",
        "Ratios are given as fractions from 0 to 1.",
        meant if value < _ALL else f"Write a number below 1, such as {left}=0.02.",
    )


def judge(found: Comparison, given: Iterable[Tolerance]) -> tuple[GateOutcome, ...]:
    """Judge each tolerance on exact numbers; getting better never fails."""
    return tuple(_judged(found, tolerance) for tolerance in given)


def _judged(found: Comparison, tolerance: Tolerance) -> GateOutcome:
    measured = dict.fromkeys(change.criterion for change in found.changes)
    tolerance = dataclasses.replace(tolerance, name=spelled(tolerance.name, [*measured, SHARE]))
    name = IDC if tolerance.name == SHARE else tolerance.name
    change = found.change(tolerance.suite, name)
    subject = tolerance.name if tolerance.suite == _TOTAL else f"{tolerance.suite}/{tolerance.name}"
    if change is None:
        known = [c.criterion for c in found.changes if c.suite == tolerance.suite]
        suites = sorted({c.suite for c in found.changes})
        hint = (
            did_you_mean(tolerance.name, known) if known else did_you_mean(tolerance.suite, suites)
        )
        return _outcome(tolerance, "failed", None, f"{subject} was measured in neither run. {hint}")
    difference, unit = _difference(change, tolerance.name)
    if not (found.before.complete and found.after.complete):
        side = found.after if found.before.complete else found.before
        text = f"{subject} is not judged: {side.name} holds not all of its tests"
        return _outcome(tolerance, "not judged", difference, text)
    if name in found.unjudged:
        text = f"{subject} is not judged: it means something else in {found.before.name}"
        return _outcome(tolerance, "not judged", difference, text)
    if change.after is None and change.before is not None:
        text = f"{subject} was measured in {found.before.name}, not in {found.after.name}"
        return _outcome(tolerance, "failed", difference, text)
    if difference is None:
        which = found.before.name if change.before is None else found.after.name
        text = f"{subject} is not judged: {which} did not measure it"
        return _outcome(tolerance, "not judged", difference, text)
    if unit == "ratio" and tolerance.value >= 1:  # of a criterion of the user's own
        text = f"{subject}: a tolerance of {exact(tolerance.value)} allows any fall of a ratio"
        return _outcome(tolerance, "failed", difference, text)
    failed = -difference > tolerance.value
    message = _message(subject, difference, tolerance.value, unit, found.before.name)
    return _outcome(tolerance, "failed" if failed else "ok", difference, message)


def _difference(change: Change, name: str) -> tuple[Fraction | None, str]:
    if name == SHARE:
        return change.share_difference, "ratio"
    return change.difference, change.unit


def _message(subject: str, difference: Fraction, allowed: Fraction, unit: str, before: str) -> str:
    scale, word = (100, " points") if unit == "ratio" else (1, "")
    if difference >= 0:
        up = _number(difference * scale, unit)
        kept = f"rose by {up}{word}" if difference else "is unchanged"
        return f"{subject} {kept} against {before}"
    fall, limit = contrast(-difference * scale, allowed * scale)
    if unit == "count":
        fall, limit = count(int(-difference)), decimal(allowed, 0)
    sign = ">" if -difference > allowed else "<="
    return f"{subject} fell by {fall} {sign} {limit}{word} against {before}"


def _number(value: Fraction, unit: str) -> str:
    return count(int(value)) if unit == "count" else decimal(value, 2)


def _outcome(
    tolerance: Tolerance, status: str, difference: Fraction | None, message: str
) -> GateOutcome:
    return GateOutcome(
        suite=tolerance.suite,
        threshold=f"compare {tolerance.text}",
        status=status,
        value=None if difference is None else float(difference),
        message=message.strip(),
        origin="comparison",
    )
