"""`deepimportance suggest`: which inputs of a pool to label and test next."""

from __future__ import annotations

import argparse
import json
from typing import Any

from pytest_deepimportance.cli.against import (
    add_settings_of_measuring,
    against,
    check_source,
    progress_bar,
)
from pytest_deepimportance.cli.arguments import settings_from
from pytest_deepimportance.cli.inputs import add_inputs, open_inputs, suites_of
from pytest_deepimportance.cli.outputs import file_for
from pytest_deepimportance.errors import SettingsError
from pytest_deepimportance.parsing import positive
from pytest_deepimportance.reporting.json_report import write_text
from pytest_deepimportance.reporting.suggest_table import as_csv, render

_WITHOUT = ("criteria", "fail_under", "report", "classes")


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "suggest",
        help="rank unlabelled inputs by what they would add to a suite",
        description="Rank the inputs of a pool by the items they add to what the suite covers: "
        "greedily; among equals those that behave as most of the reference does, then those the "
        "model is least sure of. Beside it: what random inputs, and the least sure ones (max-"
        "softmax, Gini), would add, and how many errors each way finds where the pool has labels.",
    )
    parser.add_argument("pool", metavar="POOL", help="written as a reference is; all of its rows")
    parser.add_argument("model", metavar="MODEL", help="as for --idc-model")
    add_inputs(parser, required=False)
    parser.add_argument("-n", default="20", metavar="N", help="inputs to suggest (default 20)")
    parser.add_argument(
        "--criterion", default="IDC", metavar="NAME", help="whose items count (default IDC)"
    )
    parser.add_argument(
        "--out", metavar="FILE", help="write every suggestion to FILE.csv or FILE.json"
    )
    add_settings_of_measuring(parser, without=_WITHOUT)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Rank, print, write the file asked for."""
    from pytest_deepimportance.engine.suggesting import suggest

    settings = settings_from(options).replace("suggest", criteria=(options.criterion,))
    number = _number(options.n)
    target = None if options.out is None else file_for("--out", options.out, ".csv", ".json")
    check_source(settings)
    suites = {
        name: open_inputs(name, spec, options, settings)
        for name, spec in suites_of(options.inputs or ()).items()
    }
    everything = argparse.Namespace(**{**vars(options), "input_samples": "all"})
    pool = open_inputs("pool", options.pool, everything, settings)
    model, profile = against(options, settings)
    with progress_bar("looking at the pool") as progress:
        found = suggest(
            model, profile, suites, pool, number, settings,
            criterion=options.criterion, progress=progress,
        )  # fmt: skip
    print("\n".join(render(found, profile.reference.class_names)))
    if target is not None:
        plain = json.dumps(found.to_json(), indent=1, sort_keys=True, allow_nan=False) + "\n"
        text = as_csv(found) if target.suffix.lower() == ".csv" else plain
        print(f"written    {write_text(text, target)}")
    return 0


def _number(text: str) -> int:
    try:
        return positive(text)
    except ValueError as error:
        raise SettingsError(f"-n {text}: {error}", fix="For example: -n 100") from None
