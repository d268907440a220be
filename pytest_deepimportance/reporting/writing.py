"""Write the report files that were asked for, whatever their kind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pytest_deepimportance.reporting import json_report
from pytest_deepimportance.reporting.audit import bundle
from pytest_deepimportance.reporting.audit.reproduce import Invocation
from pytest_deepimportance.reporting.destinations import AUDIT, Destination
from pytest_deepimportance.results import Report


def write(destination: Destination, reports: Sequence[Report], invocation: Invocation) -> Path:
    """Write the reports of one session to one destination.

    Raises:
        ReportError: They cannot be written there.
    """
    if destination.kind == AUDIT:
        return bundle.write(reports, destination.path, invocation)
    return json_report.write(reports, destination.path)
