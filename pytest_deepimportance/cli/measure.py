"""`deepimportance measure`: the whole report without pytest."""

from __future__ import annotations

import argparse
import dataclasses
import os
import shutil
import sys
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_deepimportance import gating
from pytest_deepimportance.cli.against import (
    add_settings_of_measuring,
    against,
    check_source,
    progress_bar,
)
from pytest_deepimportance.cli.arguments import settings_from
from pytest_deepimportance.cli.inputs import add_inputs, open_inputs, suites_of
from pytest_deepimportance.cli.report_files import wanted_files, write_reports
from pytest_deepimportance.errors import GateError, did_you_mean
from pytest_deepimportance.reporting.destinations import TERM_MISSING
from pytest_deepimportance.thresholds import Threshold, parse_threshold

if TYPE_CHECKING:
    from pytest_deepimportance.profile.model import Profile
    from pytest_deepimportance.results import Report
    from pytest_deepimportance.settings import Settings

BELOW = 2
"""Exit status when a threshold is not met."""


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "measure",
        help="measure test data against a reference: the whole report without pytest",
        description="Measure what inputs exercise of what a model learned. Exit status 0; 2 when a "
        "threshold of --fail-under is not met.",
    )
    parser.add_argument("model", metavar="MODEL", help="as for --idc-model")
    add_inputs(parser)
    add_loudness(parser)
    add_settings_of_measuring(parser)
    parser.set_defaults(run=run)


def add_loudness(parser: argparse.ArgumentParser) -> None:
    """Add -q and -v."""
    loudness = parser.add_mutually_exclusive_group()
    loudness.add_argument(
        "-q", "--quiet", dest="loudness", action="store_const", const=-1, default=0,
        help="print the total and unmet thresholds only",
    )  # fmt: skip
    loudness.add_argument(
        "-v", "--verbose", dest="loudness", action="store_const", const=1, help="fold nothing"
    )


def run(options: argparse.Namespace) -> int:
    """Measure, print the screen, write the files asked for."""
    from pytest_deepimportance.reporting import terminal

    report = measured(options, settings_from(options))
    lines = terminal.render(
        [report],
        width=shutil.get_terminal_size().columns,
        color=sys.stdout.isatty() and "NO_COLOR" not in os.environ,
        verbosity=options.loudness,
        missing=TERM_MISSING in (options.report or ()),
    )
    print("\n".join(lines))
    write_files(options, report)
    return BELOW if any(gate.status == "failed" for gate in report.gates) else 0


def write_files(options: argparse.Namespace, report: Report) -> None:
    """Write the report files asked for, and say so."""
    from pytest_deepimportance.reporting.audit.reproduce import Invocation

    started = Invocation(
        ("deepimportance", *options.arguments),
        Path.cwd(),
        inputs=tuple(suites_of(options.inputs).values()),
    )
    write_reports(wanted_files(options.report), [report], started)


def measured(options: argparse.Namespace, settings: Settings) -> Report:
    """Measure what the command line names, and judge its thresholds.

    What can be refused is refused before the model sees the first row.

    Raises:
        IdcError: A subclass that says what is wrong and what to do.
    """
    from pytest_deepimportance.engine.measured_data import measure_data

    wanted_files(settings.report)
    specs = suites_of(options.inputs)
    thresholds = thresholds_of(settings, specs)
    check_source(settings)
    suites = {name: open_inputs(name, spec, options, settings) for name, spec in specs.items()}
    model, profile = against(options, settings)
    _say_before(profile, settings, thresholds, list(suites))
    with progress_bar("measuring") as progress:
        report = measure_data(model, profile, suites, settings, progress=progress)
    return dataclasses.replace(report, gates=gating.judge(report, thresholds))


def thresholds_of(settings: Settings, suites: Collection[str]) -> list[Threshold]:
    """Parse the thresholds.

    Raises:
        GateError: One is malformed, or for a suite that is not measured.
    """
    found = [parse_threshold(text, "command line") for text in settings.fail_under]
    for threshold in found:
        if threshold.suite is not None and threshold.suite not in suites:
            raise GateError(
                f"threshold {threshold.text} is for suite {threshold.suite!r}, which is not "
                "measured",
                fix=did_you_mean(threshold.suite, suites)
                or f"Suites of --inputs: {', '.join(suites)}.",
            )
    return found


def _say_before(
    profile: Profile, settings: Settings, thresholds: list[Threshold], suites: list[str]
) -> None:
    """Say at once which thresholds cannot be met, since measuring may take long."""
    from pytest_deepimportance.engine.assemble import assemble
    from pytest_deepimportance.engine.sessions import SessionState

    if not thresholds:
        return
    nothing = assemble(profile, settings, SessionState(tests=(), blocks={}))
    sentences = gating.before_tests(nothing.profile, nothing.reference, thresholds)
    for sentence in sentences + gating.doubtful(nothing, thresholds, suites):
        print(f"idc: {sentence}", file=sys.stderr)
