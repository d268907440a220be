"""The table of settings: with values and origins for `--idc-settings`, as Markdown for the docs."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Mapping
from typing import Any

from pytest_deepimportance.formatting import clean
from pytest_deepimportance.parsing import byte_size
from pytest_deepimportance.presets import PRESETS
from pytest_deepimportance.setting import Setting
from pytest_deepimportance.settings import TABLE, Settings

_NARROWEST = 60
_LONGEST_VALUE = 24
_GIGABYTE = 1 << 30


def render(settings: Settings, width: int | None = None) -> str:
    """Return every setting with its value, where it came from and what it does; then the presets.

    Args:
        settings: The resolved settings.
        width: Columns; the terminal's when None.
    """
    columns = max(width or shutil.get_terminal_size().columns, _NARROWEST)
    rows = [
        (name, show(getattr(settings, name), TABLE[name]), settings.origins.get(name, "default"))
        for name in TABLE
    ]
    names = max(len(name) for name in TABLE)
    values = min(max(len(value) for _, value, _ in rows), _LONGEST_VALUE)
    origins = max(len(origin) for _, _, origin in rows)
    lines = [f"{'setting':<{names}}  {'value':<{values}}  {'from':<{origins}}".rstrip()]
    for name, value, origin in rows:
        lines.append(f"{name:<{names}}  {value:<{values}}  {origin}")
        lines += textwrap.wrap(
            TABLE[name].help, columns, initial_indent=" " * 4, subsequent_indent=" " * 4
        )
    lines += ["", "presets (--idc-preset NAME; every other source of a setting wins over them)"]
    for preset, chosen in PRESETS.items():
        lines += textwrap.wrap(
            f"{preset:<{names}}  {_assignments(chosen)}", columns,
            subsequent_indent=" " * (names + 2),
        )  # fmt: skip
    return "\n".join(lines)


def markdown() -> str:
    """Return the page docs/settings.md, made from the table of settings."""
    lines = [
        "# Settings",
        "",
        "Made from the table in `pytest_deepimportance/settings.py`; do not edit by hand. One name",
        "N is the option `--idc-N` (with dashes), the ini key `idc_N` and the keyword N in Python.",
        "Precedence: default < preset < ini < command line < marker or keyword.",
        "`pytest --idc-settings` prints each with its value and where that came from.",
        "",
        "| setting | command line | ini key | default | what it does |",
        "|---|---|---|---|---|",
    ]
    lines += [_row(setting) for setting in TABLE.values()]
    lines += [
        "",
        "Settings marked * are part of the profile: with another value it is built again.",
        "",
        "## Presets",
        "",
        "| preset | sets |",
        "|---|---|",
    ]
    lines += [f"| `{preset}` | `{_assignments(chosen)}` |" for preset, chosen in PRESETS.items()]
    return "\n".join(lines) + "\n"


def show(value: Any, setting: Setting | None = None) -> str:
    """Write a value as a user would type it; "-" when there is none."""
    if setting is not None and setting.parse is byte_size and value % _GIGABYTE == 0:
        return f"{value // _GIGABYTE}GB"
    if value is None or value == ():
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (tuple, list)):
        return ", ".join(clean(str(item)) for item in value)
    return clean(str(value))


def _assignments(chosen: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={show(value)}" for name, value in chosen.items())


def _row(setting: Setting) -> str:
    option = setting.option if setting.is_flag else f"{setting.option} {setting.metavar}"
    cells = (
        f"`{setting.name}`{'*' if setting.profile else ''}",
        (f"`{option}`" + (", repeatable" if setting.many else "")) if setting.cli else "-",
        (f"`{setting.key}`" + (" (lines)" if setting.many else "")) if setting.ini else "-",
        f"`{show(setting.default, setting)}`" if show(setting.default) != "-" else "-",
        re.sub(r"([|\[\]])", r"\\\1", setting.help),  # [A][B] would be a link
    )
    return "| " + " | ".join(cells) + " |"
