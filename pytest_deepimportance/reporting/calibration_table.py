"""What `deepimportance calibrate` prints: the ladder over m, and the thresholds to set."""

from __future__ import annotations

import math
import textwrap
from fractions import Fraction

from pytest_deepimportance.calibration import Calibration, is_saturated, share_of
from pytest_deepimportance.formatting import clean, count, exact, listed, percent, plural
from pytest_deepimportance.reporting.base import untested_classes
from pytest_deepimportance.reporting.layers_table import columns
from pytest_deepimportance.results import LadderStep, RandomSuite, Report

_HEAD = ("", "m", "total", "reach", "yours", "", "random suite", "share", "")


def render(report: Report, found: Calibration) -> list[str]:
    """Return the lines: whose numbers these are, the ladder, the suggestion."""
    lines = [
        f"model      {clean(report.model.spec)} {report.model.fingerprint[:8]}",
        f"reference  {plural(report.reference.usable, 'input')}",
        f"suite      {clean(found.suite)}, {plural(found.inputs, 'input')}, "
        f"measured with m = {found.present}",
        "",
        *columns([_HEAD, *(_row(step, found) for step in found.steps)], right={1, 2, 3, 4, 5, 7}),
        "",
    ]
    notes = [s.random.note for s in found.steps if s.random is not None and s.random.note]
    lines += [f"random suite: {clean(notes[0])}", ""] if notes else []
    lines.append(f"suggested  idc_m = {found.m}")
    for number, (name, value, present) in enumerate(suggestions(found)):
        label = "idc_fail_under = " if not number else " " * 17
        lines.append(f"           {label}{name}={exact(value)}   (95 % of {present}, rounded down)")
    gaps = _gaps(report, found)
    if gaps:
        text = f"{gaps}: add tests first, or the thresholds make this the standard"
        lines += textwrap.wrap(
            text, 80, initial_indent=f"{'note':<11}", subsequent_indent=" " * 11
        )  # fmt: skip
    return lines


def _gaps(report: Report, found: Calibration) -> str:
    """Say what a suite lacks that should not become the standard; or nothing."""
    suite, random = report.suite(found.suite), found.step.random
    absent = untested_classes(suite) if suite is not None else []
    parts = [f"no input is of class {listed(absent)}"] if absent else []
    if random is not None and random.comparable and random.covered < random.low:
        few = f"{count(random.low)}-{count(random.high)}"
        parts.append(f"random suites of this size cover {few}, this one {count(random.covered)}")
    return "; ".join(parts)


def suggestions(found: Calibration) -> list[tuple[str, Fraction, str]]:
    """Return (name, threshold, present value as shown) of what to gate."""
    step = found.step
    covered = Fraction(step.covered, step.total) if step.total else Fraction(0)
    pairs = (("share", found.share, share_of(step)), ("IDC", found.idc, covered))
    return [(name, value, percent(now, 2, " %", bare=True)) for name, value, now in pairs if value]


def _row(step: LadderStep, found: Calibration) -> tuple[str, ...]:
    return (
        "->" if step.m == found.m else "",
        str(step.m),
        count(step.total),
        percent(Fraction(step.reach, step.total) if step.total else None, 0, " %"),
        count(step.covered),
        percent(Fraction(step.covered, step.total) if step.total else None, unit=" %"),
        _random(step.random),
        percent(share_of(step), unit=" %"),
        "nearly saturated" if is_saturated(step) else "",
    )


def _random(suite: RandomSuite | None) -> str:
    if suite is None:
        return "-"
    if not suite.comparable:
        return "unlike"
    return f"{count(math.floor(suite.expected + 0.5))} ({count(suite.low)}-{count(suite.high)})"
