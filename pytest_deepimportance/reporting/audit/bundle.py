"""Write an audit bundle: report.json, audit.html, reproduce.sh, SHA256SUMS."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from pytest_deepimportance.reporting import json_report
from pytest_deepimportance.reporting.audit import folder
from pytest_deepimportance.reporting.audit.page import page
from pytest_deepimportance.reporting.audit.reproduce import Invocation, script
from pytest_deepimportance.results import Report


def write(reports: Sequence[Report], target: Path, invocation: Invocation) -> Path:
    """Write the bundle of one session's reports to the folder `target`.

    Raises:
        ReportError: The folder holds something else, or cannot be written.
    """
    reports = [_settled(report) for report in reports]
    commands = script(reports, invocation)
    texts = {
        "report.json": json_report.dump(reports),
        "audit.html": page(reports, commands),
        "reproduce.sh": commands,
    }
    return folder.write(target, texts)


def _settled(report: Report) -> Report:
    """Return the report as every run of this kind makes it.

    A profile found in the cache is the one that would be built (its fingerprint says so); that this
    run was spared the work belongs to the run, and would make the second record differ.
    """
    if report.profile.origin != "cached":
        return report
    return dataclasses.replace(report, profile=dataclasses.replace(report.profile, origin="built"))
