"""`deepimportance drift`: a batch of new data against the reference."""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import Any

from pytest_deepimportance.cli.against import (
    add_settings_of_measuring,
    against,
    check_source,
    progress_bar,
)
from pytest_deepimportance.cli.arguments import settings_from
from pytest_deepimportance.cli.inputs import add_samples, open_inputs
from pytest_deepimportance.cli.measure import BELOW
from pytest_deepimportance.criterion_settings import CriterionSettings
from pytest_deepimportance.drift_gate import drift_thresholds, judge_drift
from pytest_deepimportance.reporting.destinations import JSON, destinations
from pytest_deepimportance.reporting.drift_table import render
from pytest_deepimportance.reporting.json_report import write_text

_WITHOUT = ("criteria", "class_names", "classes", *CriterionSettings.__dataclass_fields__)


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "drift",
        help="compare new (production) data with the reference",
        description="Compare which combinations new data show, and how often, with the reference. "
        "Labels are not needed. Thresholds (--fail-under): share=VALUE, known=VALUE, p=VALUE; exit "
        "status 2 when one is not met.",
    )
    parser.add_argument("data", metavar="NEW_DATA", help="written as a reference is")
    parser.add_argument("model", metavar="MODEL", help="as for --idc-model")
    add_samples(parser)
    add_settings_of_measuring(parser, without=_WITHOUT)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Compare, print, write the JSON files asked for."""
    from pytest_deepimportance.engine.drift import drift

    settings = settings_from(options).replace("drift", criteria=("IDC",))
    files = destinations(settings.report, "--report", [JSON])
    thresholds = drift_thresholds(settings.fail_under)
    check_source(settings)
    data = open_inputs("new data", options.data, options, settings)
    model, profile = against(options, settings)
    with progress_bar("comparing") as progress:
        report = drift(model, profile, data, settings, progress=progress)
    report = dataclasses.replace(report, gates=judge_drift(report, thresholds))
    print("\n".join(render(report)))
    for file in (item.path for item in files if item.path is not None):
        text = json.dumps(report.to_json(), indent=1, sort_keys=True, allow_nan=False)
        print(f"written    {write_text(text + chr(10), file)}")
    return BELOW if any(gate.status == "failed" for gate in report.gates) else 0
