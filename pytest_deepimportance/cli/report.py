"""`deepimportance report`: the report of a data file, judged anew."""

from __future__ import annotations

import argparse
import dataclasses
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_deepimportance.cli.arguments import add_settings
from pytest_deepimportance.cli.datafiles import add_file
from pytest_deepimportance.cli.measure import BELOW, add_loudness
from pytest_deepimportance.cli.report_files import wanted_files, write_reports
from pytest_deepimportance.errors import DataFileError
from pytest_deepimportance.reporting.destinations import TERM_MISSING
from pytest_deepimportance.store.datafile import read

if TYPE_CHECKING:
    from pytest_deepimportance.results import Report
    from pytest_deepimportance.settings import Settings
    from pytest_deepimportance.store.content import Content

_SETTINGS = ("fail_under", "partial", "report", "count", "m", "context", "images")


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "report",
        help="the report of a data file: of one run, or of combined shards",
        description="Print the report of what a data file holds, as pytest prints it. Thresholds "
        "and settings are those of the run; --fail-under replaces them. Exit status 0; 2 when a "
        "threshold is not met, or cannot be judged because tests are missing.",
    )
    add_file(parser)
    add_loudness(parser)
    add_conftest(parser)
    add_settings(parser, _SETTINGS)
    parser.set_defaults(run=run)


def add_conftest(parser: argparse.ArgumentParser) -> None:
    """Add the option that names criteria of the user's own."""
    parser.add_argument(
        "--conftest", metavar="FILE", help="the conftest.py that offers criteria of your own "
        "(pytest_idc_criteria); it is run",
    )  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Print the screen, write the files asked for, judge."""
    from pytest_deepimportance.reporting import terminal
    from pytest_deepimportance.reporting.audit.reproduce import Invocation

    files = wanted_files(options.report)
    content, settings = opened(options)
    reports = judged_reports(content, settings)
    if not reports:
        raise DataFileError(
            f"{options.file} holds nothing that was measured",
            fix="Run the marked tests again: pytest --idc-model ... --idc-reference ...",
        )
    lines = terminal.render(
        reports,
        width=shutil.get_terminal_size().columns,
        color=sys.stdout.isatty() and "NO_COLOR" not in os.environ,
        verbosity=options.loudness,
        missing=any(file.kind == TERM_MISSING for file in files),
    )
    print("\n".join(lines))
    started = Invocation(("deepimportance", *options.arguments), Path.cwd())
    write_reports(files, reports, started)
    return BELOW if any(map(_is_below, reports)) else 0


def _is_below(report: Report) -> bool:
    """Whether a threshold is not met, or not judged because tests are missing."""
    statuses = {gate.status for gate in report.gates}
    unjudged = report.run.partial and "not judged" in statuses
    return "failed" in statuses or unjudged or (not report.run.complete and bool(statuses))


def opened(options: argparse.Namespace) -> tuple[Content, Settings]:
    """Return a data file and the settings of its run, those of the command line instead."""
    from pytest_deepimportance.criteria.base import register
    from pytest_deepimportance.data.importing import import_object
    from pytest_deepimportance.engine.stored import settings_of, without_unknown

    content = read(Path(options.file))
    if options.conftest is not None:
        found = import_object(f"{options.conftest}:pytest_idc_criteria", "conftest")()
        for criterion in found if isinstance(found, (list, tuple)) else [found]:
            register(criterion)
    given = {name: getattr(options, name, None) for name in _SETTINGS}
    given = {name: value for name, value in given.items() if value is not None}
    settings = settings_of(content.run).replace("command line", **given)
    run, settings = without_unknown(content.run, settings)
    return dataclasses.replace(content, run=run), settings


def judged_reports(content: Content, settings: Settings) -> list[Report]:
    """Return the reports of a data file with their gates."""
    from pytest_deepimportance.engine import gates
    from pytest_deepimportance.engine.stored import reports_of
    from pytest_deepimportance.reporting.judged import judged

    thresholds = [
        *gates.session_thresholds(settings),
        *gates.suite_thresholds(content.run.suites.values()),
    ]
    return judged(reports_of(content, settings), thresholds, settings.partial, gates.unsteady())
