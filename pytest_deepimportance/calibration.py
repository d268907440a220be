"""From a measurement to a gate: the ladder over m, and which thresholds to set.

Pure functions on results, like the gate's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from pytest_deepimportance.errors import GateError, did_you_mean
from pytest_deepimportance.readings import headline, row_is_degenerate
from pytest_deepimportance.results import LadderStep, Report, SuiteResult

KEPT = Fraction(95, 100)
"""Part of the present value that a threshold asks for: one removed test must not fail the gate."""

SATURATED = Fraction(98, 100)
"""From this share on, hardly a reference input is left that a further test could exercise."""

_LARGEST_DENOMINATOR = 10**9
_PLACES = range(2, 9)
_TWO_DIGITS = 10


@dataclass(frozen=True)
class Calibration:
    """What a suite reaches for every m, and what to gate.

    Attributes:
        suite: Name of the suite; "TOTAL" for all of them.
        steps: The ladder.
        present: The m that was measured with.
        m: The m to use.
        share, idc: The thresholds to set at `m`, None where the present value is 0.
    """

    suite: str
    inputs: int
    steps: tuple[LadderStep, ...]
    present: int
    m: int
    share: Fraction | None
    idc: Fraction | None

    @property
    def step(self) -> LadderStep:
        """The ladder at the suggested m."""
        return next(step for step in self.steps if step.m == self.m)


def calibrate(report: Report, suite: str | None = None) -> Calibration:
    """Return the ladder of a suite (of the total by default), and thresholds for it.

    Raises:
        GateError: There is no such suite, or nothing in it that a threshold could be set on.
    """
    result = _suite(report, suite)
    row = headline(result)
    if not result.ladder or row is None or result.inputs < 2:
        raise GateError(
            f"nothing to calibrate in {result.name}: {_why_not(result)}",
            "Thresholds are set a little below what the tests reach now.",
            "Measure IDC on two inputs or more, then calibrate again.",
        )
    if row_is_degenerate(row):
        raise GateError(
            f"nothing to calibrate in {result.name}: only one combination exists",
            "Any input covers it, so a threshold says nothing.",
            "Choose another layer: deepimportance layers MODEL",
        )
    present = min(max((space.m for space in report.profile.spaces), default=1), len(result.ladder))
    step = _suggested(result.ladder, present, report.reference.usable)
    return Calibration(
        suite=result.name,
        inputs=result.inputs,
        steps=result.ladder,
        present=present,
        m=step.m,
        share=below(share_of(step)),
        idc=below(Fraction(step.covered, step.total) if step.total else Fraction(0)),
    )


def is_saturated(step: LadderStep) -> bool:
    """Return whether a suite exercises nearly everything the reference shows."""
    return share_of(step) >= SATURATED


def share_of(step: LadderStep) -> Fraction:
    """Return the share as the fraction of reference inputs that it is."""
    return Fraction(step.share).limit_denominator(_LARGEST_DENOMINATOR)


def below(value: Fraction) -> Fraction | None:
    """Return 95 % of `value` rounded down, None for 0.

    Two decimals, and more only where these would be less than two digits.
    """
    for places in _PLACES:
        units = math.floor(value * KEPT * 10**places)
        if units >= _TWO_DIGITS or (units and places == _PLACES[-1]):
            return Fraction(units, 10**places)
    return None


def _suggested(steps: tuple[LadderStep, ...], present: int, rows: int) -> LadderStep:
    """Return the present m, or the next larger one that still tells suites apart.

    A larger m is taken only while there are no more combinations than reference inputs: beyond,
    most of them cannot occur, and the numbers of any suite are mostly chance.
    """
    now = next(step for step in steps if step.m == present)
    if not is_saturated(now):
        return now
    for step in steps[present:]:
        if step.total > rows:
            break
        if not is_saturated(step):
            return step
    return now


def _suite(report: Report, name: str | None) -> SuiteResult:
    if name is None:
        return report.total
    found = report.suite(name)
    if found is None:
        known = [suite.name for suite in report.suites]
        raise GateError(
            f"there is no suite {name!r}",
            fix=did_you_mean(name, known) or f"Suites: {', '.join(known)}.",
        )
    return found


def _why_not(suite: SuiteResult) -> str:
    if not suite.rows:
        return "nothing was recorded"
    if not suite.ladder:
        return "IDC was not measured"
    return "it is a single input"
