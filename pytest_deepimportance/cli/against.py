"""What inputs are measured against: a model, and a profile made or read for it."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from pytest_deepimportance.cli.arguments import LOADING, add_settings, load
from pytest_deepimportance.errors import ReferenceDataError, SettingsError
from pytest_deepimportance.settings import TABLE, Settings

if TYPE_CHECKING:
    from pytest_deepimportance.models.loading import LoadedModel
    from pytest_deepimportance.profile.model import Profile

_OF_PYTEST = ("model", "count", "partial", "missing", "compare", "compare_fail")
"""Settings that mean something in a pytest run only; the model is an argument of its own."""

MEASURING = [s.name for s in TABLE.values() if s.cli and s.name not in _OF_PYTEST]
"""Settings of a measurement, in table order."""


def add_settings_of_measuring(
    parser: argparse.ArgumentParser, without: Collection[str] = ()
) -> None:
    """Add every setting of a measurement but those in `without`."""
    names = dict.fromkeys((*LOADING, *MEASURING))
    add_settings(parser, [name for name in names if name not in without])


def progress_bar(title: str) -> AbstractContextManager[Callable[[int, int | None], None] | None]:
    """Return a progress bar on standard error; none where that is no terminal."""
    from pytest_deepimportance.reporting.progress import bar

    return bar(title, sys.stderr) if sys.stderr.isatty() else nullcontext()


def check_reference(settings: Settings) -> str:
    """Return the specification of the reference.

    Raises:
        ReferenceDataError: None is given.
    """
    if settings.reference is None:
        raise ReferenceDataError(
            "no reference data given", fix="Add --reference pkg.mod:callable, DIR or FILE.npz"
        )
    return settings.reference


def learned(options: argparse.Namespace, settings: Settings, loaded: LoadedModel) -> Profile:
    """Run the reference through the model and return the profile, with m chosen.

    Raises:
        ReferenceDataError: No reference is given, or it cannot be used.
    """
    from pytest_deepimportance.data.references_by_spec import load_reference
    from pytest_deepimportance.engine.profiles import describe_model, obtain_profile

    reference = load_reference(check_reference(settings), settings)
    info = describe_model(loaded.module, options.model, loaded.notes)
    with progress_bar("learning from the reference") as progress:
        return obtain_profile(
            loaded.module, reference, settings, model_info=info, progress=progress
        ).with_m(settings.m)


def check_source(settings: Settings) -> None:
    """Refuse a measurement against nothing, or against two things.

    Raises:
        ReferenceDataError: Neither reference nor profile is given.
        SettingsError: Both are.
    """
    if settings.reference is None and settings.profile is None:
        raise ReferenceDataError(
            "nothing to measure against",
            "Coverage is of what the model learned from its reference (training) data.",
            "Add --reference pkg.mod:callable, DIR or FILE.npz, or --profile FILE.idc",
        )
    if settings.reference is not None and settings.profile is not None:
        raise SettingsError(
            f"both --reference {settings.reference} and --profile {settings.profile} are given",
            "A profile holds what was learned from its own reference already.",
            "Leave one of them out.",
        )


def against(options: argparse.Namespace, settings: Settings) -> tuple[Any, Profile]:
    """Load the model, and build or read the profile, with m chosen.

    Raises:
        IdcError: A subclass that says what is wrong and what to do.
    """
    from pytest_deepimportance.engine.profiles import load_profile

    check_source(settings)
    loaded = load(options)
    if settings.profile is None:
        return loaded.module, learned(options, settings, loaded)
    profile = load_profile(settings.profile, loaded.module, settings).with_m(settings.m)
    # The file may know the model by another name: that of its class, or of another machine.
    named_here = dataclasses.replace(profile.model, spec=options.model)
    return loaded.module, dataclasses.replace(profile, model=named_here)
