"""Write a gate into pytest's configuration, or say which lines to paste."""

from __future__ import annotations

import copy
import os
import shutil
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pytest_deepimportance.cli.config_files import (
    ConfigFile,
    find_config,
    parsed_ini,
    parsed_toml,
    read_config,
    table_of,
)
from pytest_deepimportance.cli.gate_entries import Gate
from pytest_deepimportance.cli.ini_edit import IniEditor
from pytest_deepimportance.cli.toml_edit import TomlEditor
from pytest_deepimportance.errors import IdcError, SettingsError

_WIN = ("--idc-m", "--idc-fail-under")
"""Options that win over the keys written here."""


def write_gate(path: Path | None, gate: Gate) -> list[str]:
    """Put m and thresholds into pytest's configuration file.

    The new text is read back before it is written: nothing but the two keys may differ.

    Args:
        path: The file; None for the one pytest finds from the current folder.

    Returns:
        What was changed, as lines.

    Raises:
        SettingsError: There is no such file, or it cannot be edited safely; the message holds the
            lines to paste.
    """
    config = _config(path, gate)
    _refuse_options_that_win(config, gate)
    try:
        editor = TomlEditor(config) if config.is_toml else IniEditor(config)
        text, entries = editor.edit(gate)
        safe = _only_the_gate_differs(config, text, gate, entries)
    except (IdcError, ValueError) as error:
        raise _refusal(config, gate, str(error)) from error
    if not safe:
        raise _refusal(config, gate, "its form is one that this program does not edit")
    _write(config.path, text)
    label = f"{config.path.name}  "
    rest = " " * len(label)
    return [(rest if at else label) + line for at, line in enumerate(gate.said)]


def _config(path: Path | None, gate: Gate) -> ConfigFile:
    if path is not None and not path.is_file():
        raise SettingsError(f"there is no file {path}", fix="Name an existing file: --config FILE")
    found = find_config(Path.cwd()) if path is None else read_config(path)
    if found is None:
        raise SettingsError(
            f"pytest has no configuration file in {Path.cwd()} or above",
            "Where to put one is yours to decide: pytest takes its folder for the root.",
            f"Make a pytest.ini with these lines:\n{_lines('pytest', gate, toml=False)}",
        )
    if not found.section:
        raise _refusal(found, gate, "it has no section for pytest")
    return found


def _refuse_options_that_win(config: ConfigFile, gate: Gate) -> None:
    addopts = config.values.get("addopts", "")
    words = addopts if isinstance(addopts, list) else str(addopts).split()
    for word in words:
        if word.partition("=")[0] in _WIN:
            raise _refusal(config, gate, f"its addopts hold {word}, which would win over the file")


def _only_the_gate_differs(config: ConfigFile, text: str, gate: Gate, entries: list[str]) -> bool:
    """Whether the new text says what the old one did, but for the gate."""
    parse = parsed_toml if config.is_toml else parsed_ini
    wanted: Any = copy.deepcopy(parse(config.text))
    found: Any = parse(text)
    tables = [table_of(document, config.section) for document in (wanted, found)]
    if any(table is None for table in tables):
        return False
    new = dict(tables[1] or {})
    m, thresholds = new.get("idc_m"), new.get("idc_fail_under")
    if isinstance(thresholds, str):
        thresholds = [line.strip() for line in thresholds.splitlines() if line.strip()]
    if str(m) != str(gate.m) or thresholds != entries:
        return False
    return _without_gate(wanted, config.section) == _without_gate(found, config.section)


def _without_gate(document: dict[str, Any], section: str) -> dict[str, Any]:
    result = copy.deepcopy(document)
    table: Any = result
    for part in section.split(".") if section.startswith("tool.") else [section]:
        table = table[part]
    for key in ("idc_m", "idc_fail_under"):
        table.pop(key, None)
    return result


def _write(path: Path, text: str) -> None:
    """Replace the file in one step, its permissions kept; a link stays a link."""
    target = path.resolve()
    partial = target.parent / f".{target.name}.{uuid.uuid4().hex[:8]}.tmp"
    try:
        partial.write_bytes(text.encode("utf-8"))
        shutil.copymode(target, partial)
        os.replace(partial, target)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise SettingsError(f"{path} cannot be written: {error.strerror or error}") from error


def _refusal(config: ConfigFile, gate: Gate, why: str) -> SettingsError:
    section = config.section or ("tool.pytest.ini_options" if config.is_toml else "pytest")
    return SettingsError(
        f"{config.path} was not edited: {why}",
        fix=f"Put these lines in yourself:\n{_lines(section, gate, toml=config.is_toml)}",
    )


def _lines(section: str, gate: Gate, *, toml: bool) -> str:
    if toml:
        listed = ", ".join(f'"{text}"' for text in gate.thresholds)
        rows: Sequence[str] = (f'idc_m = "{gate.m}"', f"idc_fail_under = [{listed}]")
    else:
        rows = (
            f"idc_m = {gate.m}", "idc_fail_under =", *(f"    {text}" for text in gate.thresholds)
        )  # fmt: skip
    return "\n".join([f"  [{section}]", *(f"  {row}" for row in rows)])
