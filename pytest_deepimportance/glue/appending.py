"""What `--idc-append` adds to: looked at before the tests, joined with what they recorded after."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_deepimportance.errors import DataFileError
from pytest_deepimportance.glue.places import data_path
from pytest_deepimportance.settings import TABLE, Settings
from pytest_deepimportance.store.combining import (
    combine,
    refuse_other_profiles,
    refuse_other_settings,
)
from pytest_deepimportance.store.content import Content, Measured, Run
from pytest_deepimportance.store.datafile import read

if TYPE_CHECKING:
    from pytest_deepimportance.profile.model import Profile

_HERE = "this session"


def stored(config: pytest.Config, settings: Settings) -> tuple[Path, Content] | None:
    """Return the file that is added to and what it holds, None where there is nothing yet.

    Raises:
        DataFileError: It cannot be read.
    """
    path = data_path(config, settings) if settings.append else None
    if path is None or not path.exists():
        return None
    try:
        return path, read(path)
    except DataFileError as error:
        raise DataFileError(
            f"--idc-append cannot add to what is there: {error.what}", fix=_begin_anew(path)
        ) from None


def refuse_settings(path: Path, old: Content, settings: Settings) -> None:
    """Refuse settings under which the same test counts otherwise.

    Raises:
        DataFileError: As said; both values are named.
    """
    run = Run(settings={name: getattr(settings, name) for name in TABLE})
    _with_advice(path, lambda: refuse_other_settings((str(path), old), (_HERE, Content(run, {}))))


def refuse_profile(config: pytest.Config, settings: Settings, profile: Profile) -> None:
    """Refuse to add what is measured against this profile to data of another one.

    Raises:
        DataFileError: As said; both are named.
    """
    found = stored(config, settings)
    if found is None:
        return
    path, old = found
    own = Measured(
        model=profile.model.fingerprint,
        reference=profile.reference.fingerprint,
        spec=profile.model.spec,
    )
    here = Content(Run(), {profile.fingerprint: own})
    _with_advice(path, lambda: refuse_other_profiles((str(path), old), (_HERE, here)))


def appended(config: pytest.Config, settings: Settings, content: Content) -> Content:
    """Return what the session recorded together with what the file held before, if that is asked.

    Raises:
        DataFileError: The file is damaged, or belongs to another profile or other settings.
    """
    found = stored(config, settings)
    if found is None:
        return content
    path, old = found
    pair = ((str(path), old), (_HERE, content))
    _with_advice(path, lambda: refuse_other_profiles(*pair))
    _with_advice(path, lambda: refuse_other_settings(*pair))
    return combine(pair)


def _with_advice(path: Path, check: Callable[[], None]) -> None:
    """Let a refusal, worded for files of shards, say what helps a session that appends."""
    try:
        check()
    except DataFileError as error:
        raise DataFileError(error.what, error.why, _begin_anew(path)) from None


def _begin_anew(path: Path) -> str:
    return (
        f"Remove it (deepimportance erase {shlex.quote(str(path))}) and it is written anew, or "
        "give another: --idc-data-file=FILE"
    )
