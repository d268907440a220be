"""Which file configures pytest here, and which table of it: found the way pytest finds it.

pytest itself is not asked: it would load the plugins and conftest files of the project.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import iniconfig  # comes with pytest, which reads its ini files with it

from pytest_deepimportance.errors import SettingsError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # comes with pytest there

_NAMES = ("pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")
_NAMES_FROM_9 = ("pytest.toml", ".pytest.toml", *_NAMES)
_MODERN = "tool.pytest"
_CLASSIC = "tool.pytest.ini_options"
_ALWAYS = ("pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml")
"""Files that configure pytest even if they are empty."""


@dataclass(frozen=True)
class ConfigFile:
    """A configuration file.

    Attributes:
        text: Its content, line ends as they are.
        section: Name of the section or table that holds pytest's options; empty if it has none.
        values: What stands there; from an ini file all text.
    """

    path: Path
    text: str
    section: str
    values: Mapping[str, Any]

    @property
    def is_toml(self) -> bool:
        """Whether it is written in TOML."""
        return self.path.suffix == ".toml"


def find_config(folder: Path) -> ConfigFile | None:
    """Return the file that `pytest`, started in `folder` without arguments, reads; None without.

    Raises:
        SettingsError: A file that pytest would read is damaged.
    """
    names = _NAMES_FROM_9 if _pytest_version() >= 9 else _NAMES
    without: ConfigFile | None = None
    for base in (folder.resolve(), *folder.resolve().parents):
        for name in names:
            path = base / name
            if not path.is_file():
                continue
            found = read_config(path)
            if found.section or name in _ALWAYS:
                return found
            if name == "pyproject.toml" and without is None:
                without = found
    return without


def read_config(path: Path) -> ConfigFile:
    """Read a file and find pytest's section in it.

    Raises:
        SettingsError: It cannot be read, or is neither an ini nor a TOML file.
    """
    try:
        text = path.read_bytes().decode("utf-8")
        parsed = parsed_toml(text) if path.suffix == ".toml" else parsed_ini(text)
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{path} cannot be read: {error}", fix="Repair the file, then try again."
        ) from error
    tables = _toml_tables(path) if path.suffix == ".toml" else _ini_tables(path)
    for section in tables:
        values = table_of(parsed, section)
        if values is not None:
            return ConfigFile(path, text, section, values)
    return ConfigFile(path, text, "", {})


def parsed_toml(text: str) -> dict[str, Any]:
    """Return a TOML document as nested dictionaries.

    Raises:
        ValueError: It is none.
    """
    return tomllib.loads(text)


def parsed_ini(text: str) -> dict[str, Any]:
    """Return an ini file as {section: {name: text}}.

    Raises:
        ValueError: It is none.
    """
    try:
        config = iniconfig.IniConfig("", data=text)
    except iniconfig.ParseError as error:
        raise ValueError(str(error).lstrip(":")) from error
    return {section.name: dict(section.items()) for section in config}


def table_of(document: Mapping[str, Any], section: str) -> Mapping[str, Any] | None:
    """Return pytest's options out of a parsed file, None where there are none."""
    found: Any = document
    for part in section.split(".") if section.startswith("tool.") else [section]:
        found = found.get(part) if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping):
        return None
    if section == _MODERN:
        found = {key: value for key, value in found.items() if key != "ini_options"}
        return found or None
    return found


def _ini_tables(path: Path) -> tuple[str, ...]:
    return ("tool:pytest",) if path.suffix == ".cfg" else ("pytest",)


def _toml_tables(path: Path) -> tuple[str, ...]:
    if path.name in ("pytest.toml", ".pytest.toml"):
        return ("pytest",)
    modern = (_MODERN,) if _pytest_version() >= 9 else ()
    return (*modern, _CLASSIC) if path.name == "pyproject.toml" else (*modern, _CLASSIC, "pytest")


def _pytest_version() -> int:
    found = re.match(r"\d+", version("pytest"))
    return int(found[0]) if found else 0
