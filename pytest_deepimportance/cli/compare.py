"""`deepimportance compare`: what changed from one data file to another."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from pytest_deepimportance.cli.measure import BELOW
from pytest_deepimportance.compare_gate import judge, tolerances
from pytest_deepimportance.reporting.compare_table import render
from pytest_deepimportance.reporting.json_report import write_text
from pytest_deepimportance.store.datafile import DEFAULT, read


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "compare",
        help="what changed from one data file to another",
        description="Compare two data files that pytest wrote: every criterion of every suite, the "
        "items gained and lost, and the tests behind them. Across retrained models items cannot be "
        "matched: numbers are compared, and how many important neurons are the same. Exit status "
        "2 when a number fell by more than --fail allows; getting better never fails.",
    )
    parser.add_argument("before", metavar="BEFORE", help="data file of the run compared with")
    parser.add_argument(
        "after", nargs="?", default=DEFAULT, metavar="AFTER", help=f"data file ({DEFAULT})"
    )
    parser.add_argument(
        "--fail", action="append", metavar="[SUITE/]NAME=TOLERANCE",
        help="fail if NAME fell by more than this, such as IDC=0.02 or share=0; repeatable",
    )  # fmt: skip
    parser.add_argument("--json", metavar="FILE", help="write everything as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Compare, print, judge."""
    from pytest_deepimportance.engine.comparing import compare
    from pytest_deepimportance.engine.one_run import opened

    allowed = tolerances(options.fail or ())
    sides = [opened(name, read(Path(name))) for name in (options.before, options.after)]
    found = compare(*sides)
    gates = [judge(comparison, allowed) for comparison in found]
    for number, (comparison, outcomes) in enumerate(zip(found, gates, strict=True)):
        print("\n" * bool(number) + "\n".join(render(comparison, outcomes)))
    if options.json:
        content = [comparison.to_json() for comparison in found]
        text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n"
        print(f"written    {write_text(text, options.json)}")
    failed = any(outcome.status == "failed" for outcomes in gates for outcome in outcomes)
    return BELOW if failed else 0
