"""`deepimportance profile build|show|check`: the profile as a file of its own."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pytest_deepimportance.cli.against import check_reference, learned
from pytest_deepimportance.cli.arguments import (
    LOADING,
    add_settings,
    load,
    settings_from,
    usage_of,
)
from pytest_deepimportance.settings import TABLE

_BUILD = [
    "reference", "m", "class_names", "batch_size", "memory", "data_root", "preset",
    *[s.name for s in TABLE.values() if s.profile],
]  # fmt: skip


def add_parser(commands: Any) -> None:
    """Add the subcommand and its three actions."""
    parser = commands.add_parser(
        "profile",
        help="build, show or check a profile file (for CI runners without training data)",
        description="A profile holds what is derived once from model and reference data. With "
        "--idc-profile FILE pytest needs no reference.",
    )
    parser.set_defaults(run=usage_of(parser))
    actions = parser.add_subparsers(metavar="ACTION")
    build = actions.add_parser("build", help="run the reference through the model once")
    build.add_argument("model", metavar="MODEL", help="as for --idc-model")
    build.add_argument("-o", "--output-file", required=True, metavar="FILE", help="where to write")
    add_settings(build, dict.fromkeys([*LOADING, *_BUILD]))
    build.set_defaults(run=run_build)
    show = actions.add_parser("show", help="print what a profile holds")
    show.add_argument("file", metavar="FILE")
    show.add_argument("--m", default="auto", help="number of important neurons to show it for")
    show.set_defaults(run=run_show)
    check = actions.add_parser("check", help="check that a profile belongs to these weights")
    check.add_argument("file", metavar="FILE")
    check.add_argument("model", metavar="MODEL", help="as for --idc-model")
    add_settings(check, [*LOADING, "output"])
    check.set_defaults(run=run_check)


def run_build(options: argparse.Namespace) -> int:
    """Build a profile and write it."""
    from pytest_deepimportance.profile.command import run_command
    from pytest_deepimportance.profile.file import check_target

    settings = settings_from(options)
    check_reference(settings)
    path = Path(options.output_file)
    check_target(path)
    profile = learned(options, settings, load(options))
    profile.save(path)
    _show(profile)
    print(f"written    {path} ({path.stat().st_size:,} bytes)")
    print(f"use it     {run_command(options.model, settings, str(path))}")
    return 0


def run_show(options: argparse.Namespace) -> int:
    """Print what a profile file holds."""
    from pytest_deepimportance.profile.model import Profile

    _show(Profile.load(options.file).with_m(settings_from(options).m))
    return 0


def _show(profile: Any) -> None:
    from pytest_deepimportance.reporting.profile_table import render

    print(render(profile.model, profile.reference, profile.info(), dict(profile.settings)))


def run_check(options: argparse.Namespace) -> int:
    """Compare weights, structure and answers of the profile's model with the model's."""
    from pytest_deepimportance.engine.opening import output_adapter
    from pytest_deepimportance.engine.profiles import check_code
    from pytest_deepimportance.models.fingerprint import fingerprint
    from pytest_deepimportance.profile.command import build_command
    from pytest_deepimportance.profile.model import Profile

    settings = settings_from(options).replace("command line", model=options.model)
    profile = Profile.load(options.file)
    model = load(options).module
    found = fingerprint(model)
    if found != profile.model.fingerprint:
        print(
            f"{options.file} does not belong to {options.model}:\n"
            f"  built for  {profile.model.type} {profile.model.fingerprint[:16]}\n"
            f"  the model  {found[:16]}\n"
            f"Build a profile for these weights:\n{build_command(profile, settings)}"
        )
        return 1
    check_code(profile, model, output_adapter(settings), options.file, settings)
    print(f"{options.file} belongs to {options.model} ({found[:16]})")
    return 0
