"""`deepimportance selfcheck`: known answers, computed on this machine."""

from __future__ import annotations

import argparse
from typing import Any

from pytest_deepimportance.reporting.selfcheck_table import render


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "selfcheck",
        help="compute known answers on this machine: pass or fail, versions, a digest",
        description="Compute what is known beforehand: a case checked by hand, a trained network "
        "on scikit-learn's digits, and every criterion on small arrays, whose numbers come from "
        "slow programs written from the papers. Exit status 1 when one differs. Nothing is "
        "downloaded.",
    )
    parser.set_defaults(run=run)


def run(_: argparse.Namespace) -> int:
    """Run the checks and print them."""
    from pytest_deepimportance.selfcheck.running import selfcheck

    result = selfcheck()
    print("\n".join(render(result)))
    return 0 if result.passed else 1
