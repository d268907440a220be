"""A report with everything that follows from its numbers: gates, remarks, requirements."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

from pytest_deepimportance import gating
from pytest_deepimportance.reporting import base
from pytest_deepimportance.results import Report
from pytest_deepimportance.thresholds import Threshold
from pytest_deepimportance.traceability import requirement_rows


def judged(
    report: Report, thresholds: Sequence[Threshold], partial: str, unsteady: Collection[str]
) -> Report:
    """Return the report with its gates judged.

    Args:
        thresholds: Of the session and of the markers of all suites.
        partial: Setting of that name.
        unsteady: Criteria whose number all tests may miss though a part of them reaches it.
    """
    known = {suite.name for suite in report.suites}
    # Of two models only one may hold the suite whose marker sets a threshold.
    own = [t for t in thresholds if t.origin != "marker" or t.suite in known]
    gates = gating.judge(report, own, partial=partial, unsteady=unsteady)
    remarks = tuple(base.notes(report, every=True))
    result = dataclasses.replace(report, gates=gates, remarks=remarks)
    return dataclasses.replace(result, requirements=requirement_rows(result))
