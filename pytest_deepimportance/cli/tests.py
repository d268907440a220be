"""`deepimportance tests`: what each test adds, those that add nothing, a small subset."""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
from typing import TYPE_CHECKING, Any

from pytest_deepimportance.cli.datafiles import add_file
from pytest_deepimportance.cli.measure import add_loudness
from pytest_deepimportance.cli.report import add_conftest, opened
from pytest_deepimportance.errors import SettingsError, did_you_mean
from pytest_deepimportance.formatting import clean
from pytest_deepimportance.reporting.contributions_table import render
from pytest_deepimportance.reporting.json_report import write_text
from pytest_deepimportance.reporting.verdicts import part_labels
from pytest_deepimportance.reporting.wrapping import wrapped

if TYPE_CHECKING:
    from pytest_deepimportance.contributions import Contributions
    from pytest_deepimportance.settings import Settings
    from pytest_deepimportance.store.content import Content


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "tests",
        help="what each test adds, which add nothing, and a small subset that covers as much",
        description="Read from a data file which test covers which items, and choose a small "
        "subset of the tests that covers as much as all do. Nothing is run.",
    )
    add_file(parser)
    add_loudness(parser)
    add_conftest(parser)
    parser.add_argument(
        "--criteria", metavar="A,B,...", help="whose items (default: all that were measured)"
    )
    parser.add_argument("--suite", metavar="NAME", help="only tests of this suite")
    parser.add_argument("--json", metavar="FILE", help="write all numbers there")
    parser.add_argument(
        "--minimise", metavar="FILE", help="write the node ids of the subset there, one a line, "
        "for: pytest @FILE",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the tables, write the files asked for."""
    from pytest_deepimportance.engine.stored import run_info

    content, settings = opened(options)
    found, skipped = _contributions(options, content, settings)
    width = shutil.get_terminal_size().columns
    for label, text in part_labels(run_info(content.run)):
        print("\n".join(wrapped(label, text)))
    for number, (spec, one) in enumerate(found):
        if len(found) + len(skipped) > 1:
            print(("\n" if number else "") + f"model      {spec}")
        lines = render(one, width=width, every=options.loudness > 0)
        print("\n".join(lines if options.loudness >= 0 else lines[: lines.index("")]))
    for spec, why in skipped:
        print(f"\nmodel      {spec}\nnote       not shown: {why}")
    if options.json is not None:
        plain = [{"model": spec, **_plain(one)} for spec, one in found]
        text = json.dumps({"contributions": plain}, indent=1, sort_keys=True)
        print(f"written    {write_text(text + chr(10), options.json)}")
    if options.minimise is not None:
        names = dict.fromkeys(test.nodeid for _, one in found for test in one.subset)
        print(f"written    {write_text(chr(10).join([*names, '']), options.minimise)}")
    return 0


def _contributions(
    options: argparse.Namespace, content: Content, settings: Settings
) -> tuple[list[tuple[str, Contributions]], list[tuple[str, str]]]:
    """Return the tests of each model, and the models that have nothing of what is asked for.

    Raises:
        SettingsError: No model has.
    """
    from pytest_deepimportance.engine.contexts import contributions
    from pytest_deepimportance.engine.stored import states_of

    suites = set(content.run.suites)
    if options.suite is not None and options.suite not in suites:
        raise SettingsError(
            f"no suite {options.suite!r} in {options.file}",
            fix=did_you_mean(options.suite, suites) or f"Suites: {', '.join(sorted(suites))}.",
        )
    asked = [name.strip() for name in (options.criteria or "").split(",") if name.strip()]
    found, skipped, errors = [], [], []
    for profile, state in states_of(content, settings):
        spec = f"{clean(profile.model.spec)} {profile.model.fingerprint[:8]}"
        if options.suite not in {None, *(test.suite for test in state.tests)}:
            skipped.append((spec, f"it has no test of suite {options.suite!r}"))
            continue
        try:
            own = contributions(state, profile, settings, criteria=asked, suite=options.suite)
        except SettingsError as error:
            errors.append(error)
            skipped.append((spec, error.what))
        else:
            found.append((spec, own))
    if errors and not found:
        raise errors[0]
    return found, skipped


def _plain(found: Contributions) -> dict[str, Any]:
    return {**dataclasses.asdict(found), "at_least": found.at_least, "bound": found.bound}
