"""`deepimportance calibrate`: which thresholds to set, from a report or a measurement."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_deepimportance.calibration import Calibration, calibrate
from pytest_deepimportance.cli.against import add_settings_of_measuring
from pytest_deepimportance.cli.arguments import settings_from
from pytest_deepimportance.cli.gate_entries import Gate
from pytest_deepimportance.cli.inputs import add_inputs
from pytest_deepimportance.cli.measure import measured, write_files
from pytest_deepimportance.cli.pytest_config import write_gate
from pytest_deepimportance.errors import GateError, ReportError, SettingsError, did_you_mean
from pytest_deepimportance.formatting import clean, exact
from pytest_deepimportance.reporting.calibration_table import render, suggestions

if TYPE_CHECKING:
    from pytest_deepimportance.results import Report


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "calibrate",
        help="which thresholds to set: from a JSON report, or from a measurement",
        description="Show what a suite reaches for every m, and suggest m and thresholds a little "
        "below it. Without --inputs the argument is a JSON report (pytest --idc-report=json:FILE); "
        "with --inputs it is a model, measured as by 'deepimportance measure'.",
    )
    parser.add_argument("model", metavar="REPORT|MODEL", help="a JSON report, or a model")
    parser.add_argument("--suite", metavar="NAME", help="calibrate for this suite, not the total")
    parser.add_argument(
        "--write", action="store_true", help="put the suggestion into pytest's configuration file, "
        "keeping everything else in it",
    )  # fmt: skip
    parser.add_argument(
        "--config", metavar="FILE", help="the file for --write (default: the one pytest finds from "
        "here)",
    )  # fmt: skip
    add_inputs(parser, required=False)
    add_settings_of_measuring(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the ladder and the suggestion; write it where that is asked for."""
    if options.config is not None and not options.write:
        raise SettingsError(
            f"--config {options.config} names a file to write, but --write is not given",
            fix="Add --write, or leave --config out.",
        )
    reports = _reports(options)
    found, skipped = _calibrated(reports, options.suite)
    for number, (report, calibration) in enumerate(found):
        print("\n".join([""] * bool(number) + render(report, calibration)))
        for sentence in _doubts(report):
            print(f"note       {sentence}")
    for report, why in skipped:
        spec = f"{clean(report.model.spec)} {report.model.fingerprint[:8]}"
        print(f"\nmodel      {spec}\nnote       not shown: {why}")
    if options.inputs:
        write_files(options, reports[0])
    if options.write:
        _write(options, reports, found[0][1])
    return 0


def _calibrated(
    reports: list[Report], suite: str | None
) -> tuple[list[tuple[Report, Calibration]], list[tuple[Report, str]]]:
    """Return what is to be set for each model, and the models that allow nothing, with the reason.

    Raises:
        GateError: None of them allows anything.
    """
    suites = dict.fromkeys(own.name for report in reports for own in report.suites)
    if suite is not None and not any(report.suite(suite) for report in reports):
        raise GateError(
            f"there is no suite {suite!r}",
            fix=did_you_mean(suite, suites) or f"Suites: {', '.join(suites)}.",
        )
    found, skipped, errors = [], [], []
    for report in sorted(reports, key=lambda own: suite is None or own.suite(suite) is None):
        try:
            found.append((report, calibrate(report, suite)))
        except GateError as error:
            errors.append(error)
            skipped.append((report, error.what))
    if not found:
        raise errors[0]
    return found, skipped


def _reports(options: argparse.Namespace) -> list[Report]:
    if options.inputs:
        return [measured(options, settings_from(options))]
    from pytest_deepimportance.reporting import json_report

    if Path(options.model).suffix != ".json":
        raise ReportError(
            f"{options.model} is no JSON report, and no --inputs are given",
            "Thresholds are set from what a suite reaches.",
            "Give a report (pytest --idc-report=json:idc.json), or a model with --reference and "
            "--inputs.",
        )
    reports = list(json_report.load(options.model))
    if not reports:
        raise ReportError(
            f"{options.model} holds no report: nothing was measured in that run",
            fix="Run the tests again: pytest --idc-report=json:idc.json",
        )
    return reports


def _doubts(report: Report) -> list[str]:
    doubts = []
    if not report.run.complete:
        doubts.append("the run was stopped early: these are the numbers of a part of the tests")
    elif report.run.partial:
        doubts.append("tests were deselected: these are the numbers of a part of them")
    failed = [gate.threshold for gate in report.gates if gate.status == "failed"]
    if failed:
        doubts.append(f"not met in this run: {', '.join(failed)}")
    return doubts


def _write(options: argparse.Namespace, reports: list[Report], found: Calibration) -> None:
    """Edit pytest's configuration.

    Raises:
        GateError: The numbers are of a part of the tests, or of several models.
        SettingsError: The file cannot be edited safely; the lines to paste are in the message.
    """
    if len(reports) > 1:
        raise GateError(
            f"nothing was written: {options.model} holds {len(reports)} models",
            "Thresholds in the configuration hold for every model.",
            "Give each model's tests a suite of their own and a threshold in its marker.",
        )
    if reports[0].run.partial or not reports[0].run.complete:
        raise GateError(
            "nothing was written: only a part of the tests ran",
            "A threshold below what a part reaches lets the others rot.",
            "Run all tests with --idc-report=json:idc.json, then calibrate again.",
        )
    suite = f"{found.suite}/" if options.suite is not None else ""
    thresholds = [f"{suite}{name}={exact(value)}" for name, value, _ in suggestions(found)]
    config = None if options.config is None else Path(options.config)
    gate = Gate(found.m, thresholds, lower=found.m != found.present)
    print("\n".join(["", *write_gate(config, gate)]))
