"""Write the report files that were asked for, whatever their kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pytest_deepimportance.errors import ReportError
from pytest_deepimportance.reporting import csv_report, json_report, junit, latex, markdown
from pytest_deepimportance.reporting.audit import bundle
from pytest_deepimportance.reporting.audit.reproduce import Invocation
from pytest_deepimportance.reporting.destinations import (
    AUDIT,
    CSV,
    GITHUB,
    HTML,
    JSON,
    JUNIT,
    LATEX,
    MARKDOWN,
    Destination,
)
from pytest_deepimportance.reporting.html_page import page
from pytest_deepimportance.results import Report

TEXTS: Mapping[str, Callable[[Sequence[Report]], str]] = {
    JSON: json_report.dump,
    MARKDOWN: markdown.render,
    JUNIT: junit.render,
    CSV: csv_report.render,
    LATEX: latex.render,
    HTML: page.render,
}
"""Reports that are one text file."""


def write(destination: Destination, reports: Sequence[Report], invocation: Invocation) -> Path:
    """Write the reports of one session to one destination, in one step; a summary is appended to.

    Raises:
        ReportError: They cannot be written there.
    """
    kind, path = destination.kind, destination.path
    if kind == GITHUB:
        return markdown.summary(reports, path)
    if path is None:
        raise ReportError(f"report {destination} needs a place here: {kind}:PATH")
    if kind == AUDIT:
        return bundle.write(reports, path, invocation)
    return json_report.write_text(TEXTS[kind](reports), path)
