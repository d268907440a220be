"""Where paths lead, and how they are named, on whatever machine a worker of pytest-xdist runs."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest

from pytest_deepimportance.settings import Settings

PATHS = (
    "model", "factory", "weights", "reference", "transform", "data_root", "profile", "output",
    "importance", "data_file", "compare",
)  # fmt: skip
"""Settings that may name a file, or something else."""

FILES = ("data_file", "compare")
"""Those that name a file always."""

ANCHORED: pytest.StashKey[dict[str, str]] = pytest.StashKey()
"""On the config: values that the ini file gives as relative paths, absolute: as they are shown."""

STARTED = "idc_started"
"""Key of a worker's input: where the run was started."""


def started(config: pytest.Config) -> str:
    """Return where the run was started, seen from the root folder."""
    try:
        return Path(os.path.relpath(config.invocation_params.dir, config.rootpath)).as_posix()
    except ValueError:  # another drive of Windows
        return str(config.invocation_params.dir)


def command_line_folder(config: pytest.Config) -> Path | None:
    """Return where paths of the command line begin, None: in the current folder, as always.

    A worker on another machine has the project somewhere below its current folder.
    """
    told = getattr(config, "workerinput", {}).get(STARTED)
    if told is None:
        return None
    folder = config.rootpath / told
    return None if folder.resolve() == Path.cwd().resolve() else folder


def below_root(spec: str, root: Path) -> str:
    """Return a specification as it reads from the root folder, if it is a path below it.

    So it has one name on every machine.
    """
    path, colon, attribute = spec.partition(":")
    if not path or (colon and not path.endswith(".py")):
        return spec
    place = Path(os.path.abspath(Path(path).expanduser()))
    if not place.exists() or not place.is_relative_to(root):
        return spec
    return place.relative_to(root).as_posix() + colon + attribute


def as_shown(settings: Settings, config: pytest.Config) -> Settings:
    """Return the settings as they are shown: relative paths of the ini file seen from the start.

    So a report does not hold the folders of the machine it was made on.
    """
    known = config.stash.get(ANCHORED, {})
    changed: dict[str, Any] = {
        name: known.get(value, value)
        for name in PATHS
        if isinstance(value := getattr(settings, name), str)
    }
    changed["report"] = tuple(known.get(text, text) for text in settings.report)
    return dataclasses.replace(settings, **changed)


def placed(config: pytest.Config, base: Path, head: str, place: str, tail: str = "") -> str:
    """Return a value of the ini file with the path in it made absolute.

    How it reads from the folder where the run was started is kept for `as_shown`.

    Args:
        base: Folder of the ini file.
        head, place, tail: The value: what stands before its path, the path, what stands behind.
    """
    path = os.path.normpath(base / Path(place).expanduser())
    if not os.path.isabs(os.path.expanduser(place)):
        seen = Path(os.path.relpath(path, config.invocation_params.dir)).as_posix()
        config.stash.setdefault(ANCHORED, {})[head + path + tail] = head + seen + tail
    return head + path + tail


def data_path(config: pytest.Config, settings: Settings) -> Path | None:
    """Return where the data file lies, None where none is wanted."""
    if settings.data_file.lower() == "none":
        return None
    default = settings.origins.get("data_file", "default") == "default"
    return (config.rootpath if default else config.invocation_params.dir) / settings.data_file


UNWRITTEN = """What the tests recorded would be lost when the session ends.
Give a file in a folder you may write to (--idc-data-file=FILE), or switch it off: \
--idc-data-file=none"""


def check_place(path: Path) -> None:
    """Refuse before the tests a data file that cannot be written after them; nothing is made.

    Raises:
        pytest.UsageError: A folder has its name, or its folder cannot be made or written to.
    """
    if path.is_dir():
        raise pytest.UsageError(f"the data file {path} is a folder\n{UNWRITTEN}")
    there = next(folder for folder in path.absolute().parents if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        what = "may not be written to" if there.is_dir() else "is no folder"
        raise pytest.UsageError(
            f"the data file cannot be written to {path}: {there} {what}\n{UNWRITTEN}"
        )
