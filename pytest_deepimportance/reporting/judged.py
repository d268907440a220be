"""Reports with everything that follows from their numbers: gates, remarks, requirements."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

from pytest_deepimportance import gating
from pytest_deepimportance.reporting import base
from pytest_deepimportance.results import GateOutcome, Report
from pytest_deepimportance.thresholds import Threshold
from pytest_deepimportance.traceability import requirement_rows


def judged(
    reports: Sequence[Report],
    thresholds: Sequence[Threshold],
    partial: str,
    unsteady: Collection[str],
) -> list[Report]:
    """Return the reports of one session, one for each measured model, with their gates judged.

    Of several models, a threshold that names a suite is judged where that suite ran; all others are
    judged on each model, and the outcomes say which one they are about.

    Args:
        thresholds: Of the session and of the markers of all suites.
        partial: Setting of that name.
        unsteady: Criteria whose number all tests may miss though a part of them reaches it.
    """
    ran = [_suites(report) for report in reports]
    everywhere = set().union(*ran)
    names = base.model_names(reports, base.SHORT_MODEL)
    result = []
    for report, own, name in zip(reports, ran, names, strict=True):
        # A marker's suite that ran nowhere is no mistake: its tests were deselected.
        here = [
            t
            for t in thresholds
            if t.suite is None
            or t.suite in own
            or (t.origin != "marker" and t.suite not in everywhere)
        ]
        gates = about_model(
            gating.judge(report, here, partial=partial, unsteady=unsteady), name, reports
        )
        made = dataclasses.replace(
            report, gates=gates, remarks=tuple(base.notes(report, every=True))
        )
        result.append(dataclasses.replace(made, requirements=requirement_rows(made)))
    return result


def about_model(
    gates: Sequence[GateOutcome], name: str, reports: Sequence[Report]
) -> tuple[GateOutcome, ...]:
    """Return the outcomes, naming the model in each where there are several."""
    if len(reports) < 2:
        return tuple(gates)
    return tuple(dataclasses.replace(gate, message=f"{name}: {gate.message}") for gate in gates)


def _suites(report: Report) -> set[str]:
    """Return the suites that have a test of this model, also one that recorded nothing."""
    return {suite.name for suite in report.suites} | {test.suite for test in report.tests}
