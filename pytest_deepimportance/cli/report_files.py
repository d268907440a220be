"""The report files of a command: looked at before anything is computed, written at its end."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pytest_deepimportance.errors import ReportError
from pytest_deepimportance.reporting.destinations import JUNIT, Destination, destinations
from pytest_deepimportance.settings import resolve

if TYPE_CHECKING:
    from pytest_deepimportance.reporting.audit.reproduce import Invocation
    from pytest_deepimportance.results import Report


def wanted_files(texts: Iterable[str] | None) -> list[Destination]:
    """Return the reports that --report asks for.

    Raises:
        ReportError: One of them cannot be written here.
    """
    given = [] if texts is None else list(texts)
    found = destinations(resolve([("command line", {"report": given})]).report, "--report")
    if Destination(JUNIT) in found:
        raise ReportError(
            "--report=junit has no file to add to outside of pytest", fix="Write junit:PATH."
        )
    return found


def write_reports(
    files: Sequence[Destination], reports: Sequence[Report], started: Invocation
) -> None:
    """Write each file and say so; one that cannot be written is said and stops no other."""
    from pytest_deepimportance.reporting import writing

    for file in files:
        if file.on_screen:
            continue
        try:
            print(f"written    {writing.write(file, reports, started)}")
        except (ReportError, OSError) as error:
            sys.stdout.flush()
            print(f"deepimportance: report {file} was not written: {error}", file=sys.stderr)
