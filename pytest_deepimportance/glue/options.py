"""Settings as pytest options and ini keys, and back again."""

from __future__ import annotations

import functools
import operator
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_deepimportance.errors import (
    DataFileError,
    GateError,
    ReportError,
    SettingsError,
    did_you_mean,
)
from pytest_deepimportance.glue.places import (
    FILES,
    PATHS,
    check_place,
    command_line_folder,
    data_path,
    placed,
)
from pytest_deepimportance.parsing import uncommented
from pytest_deepimportance.reporting.destinations import destinations
from pytest_deepimportance.setting import Setting
from pytest_deepimportance.settings import TABLE, Settings, resolve

_OWN = {"--idc-settings": "idc_settings", "--no-idc": "idc_off"}
_VERSION = tuple(int(part) for part in re.findall(r"\d+", pytest.__version__)[:2])


def add_options(parser: pytest.Parser) -> None:
    """Declare an option and an ini key for each row of the settings table."""
    group = parser.getgroup("idc", "neural network coverage (Importance-Driven Coverage)")
    group.addoption(
        "--no-idc", action="store_true", dest="idc_off", help="Switch all recording off (wins over "
        "everything)",
    )  # fmt: skip
    group.addoption(
        "--idc-settings", action="store_true", dest="idc_settings", help="Print every setting with "
        "its value and origin, and exit",
    )  # fmt: skip
    for setting in TABLE.values():
        if setting.cli:
            _add_option(group, setting)
        if setting.ini:
            kind: Any = _ini_type(setting)
            parser.addini(setting.key, setting.help, type=kind, default=None)


def _add_option(group: Any, setting: Setting) -> None:
    text = setting.help.replace("%", "%%")
    if setting.is_flag:
        group.addoption(
            setting.option, dest=setting.key, action="store_true", default=None, help=text
        )
    else:
        action = "append" if setting.many else "store"
        group.addoption(
            setting.option, dest=setting.key, action=action, default=None, metavar=setting.metavar,
            help=text,
        )  # fmt: skip


def _ini_type(setting: Setting) -> Any:
    """Choose the ini type: as precise as the running pytest understands."""
    if setting.many:
        return "linelist"
    if _VERSION >= (9, 2):
        # Text first: an ini file then keeps "0.6" as written, and our own parser words the error.
        return functools.reduce(operator.or_, setting.native, str)
    return "bool" if setting.native == (bool,) else "string"


def refuse_unknown_options(args: list[str]) -> None:
    """Raise a usage error for an --idc option that does not exist, with the nearest one."""
    known = {s.option for s in TABLE.values() if s.cli} | set(_OWN)
    for argument in args:
        if argument == "--":
            return
        name = argument.partition("=")[0]
        if name.startswith("--idc") and name not in known:
            raise pytest.UsageError(f"unknown option {name}: {did_you_mean(name, known)}")


def settings_of(config: pytest.Config) -> Settings:
    """Resolve the settings of this run from ini file and command line."""
    _refuse_unknown_keys(config)
    ini = {s.name: config.getini(s.key) for s in TABLE.values() if s.ini}
    cli = {s.name: config.getoption(s.key) for s in TABLE.values() if s.cli}
    ini |= {s.name: "" for s in TABLE.values() if ini.get(s.name) == [] and not _is_list(config, s)}
    base = config.inipath.parent if config.inipath is not None else config.rootpath
    _anchor(config, ini, base)
    for name in FILES:
        if isinstance(cli.get(name), str):  # a shell expands no ~ behind the = of an option
            cli[name] = os.path.expanduser(cli[name])
    elsewhere = command_line_folder(config)
    if elsewhere is not None:
        _anchor(config, cli, elsewhere)
    given = [text.partition("=")[0] for text in config.getoption("override_ini") or ()]
    typed = [s.name for s in TABLE.values() if s.key in given]
    origin = f"ini {config.inipath.name}" if config.inipath is not None else "ini"
    try:
        return resolve(
            [
                (origin, {k: v for k, v in ini.items() if v is not None and k not in typed}),
                ("command line -o", {k: v for k, v in ini.items() if k in typed}),
                ("command line", {k: v for k, v in cli.items() if v is not None}),
            ]
        )
    except SettingsError as error:
        raise pytest.UsageError(str(error)) from None


def _is_list(config: pytest.Config, setting: Setting) -> bool:
    """Whether `[]` stands in the ini file: no line, on purpose; others left a line empty."""
    raw = _written(config).get(setting.key)
    return getattr(raw, "value", raw) == []


def _written(config: pytest.Config) -> Mapping[str, Any]:
    """Return what the ini file itself says.

    `inicfg` is deprecated from 9.0 on, and getini only answers known names.
    """
    written: Mapping[str, Any] | None = vars(config).get("_inicfg")
    return config.inicfg if written is None else written


def _refuse_unknown_keys(config: pytest.Config) -> None:
    known = [s.key for s in TABLE.values() if s.ini]
    for key in _written(config):
        if key.startswith("idc_") and key not in known:
            raise pytest.UsageError(
                f"{config.inipath}: unknown key {key!r}: {did_you_mean(key, known)}"
            )


def path_in(value: str, base: Path) -> str:
    """Return the path in a `value` of an ini file, "" where there is none.

    Module specifications (`pkg.mod:name`), `torchvision:NAME` and words hold none.

    Args:
        base: Folder of the ini file.
    """
    path, colon, _ = value.strip().partition(":")
    if colon and not path.endswith(".py"):
        return ""
    looks_like_path = "/" in path or "\\" in path or Path(path).suffix != "" or path in (".", "..")
    return path if looks_like_path or (base / path).exists() else ""


def _anchor(config: pytest.Config, values: dict[str, Any], base: Path) -> None:
    """Let paths of the ini file begin in its folder, in place."""
    for name in PATHS:
        value = values.get(name)
        if isinstance(value, str) and value.strip():
            value = value.strip()
            own = name in FILES and value.lower() != "none"
            path = value if own else path_in(value, base)
            values[name] = placed(config, base, "", path, value[len(path) :]) if path else value
    if isinstance(values.get("report"), (list, tuple)):
        parts = [uncommented(line).partition(":") for line in values["report"]]
        values["report"] = [
            placed(config, base, kind + colon, place.strip()) if place.strip() else kind + colon
            for kind, colon, place in parts
        ]


def print_settings(settings: Settings) -> None:
    """Print the table of settings with values and origins."""
    from pytest_deepimportance.reporting.settings_table import render

    print(render(settings))


def check_early(settings: Settings, own_criteria: bool = False) -> None:
    """Refuse malformed thresholds and report destinations before anything runs.

    Args:
        own_criteria: Whether a conftest file brings criteria: thresholds may be about these, so
            they are read after collection, when their names and units are known.
    """
    if settings.fail_under and not own_criteria:
        from pytest_deepimportance.thresholds import parse_threshold

        try:
            for text in settings.fail_under:
                parse_threshold(text, settings.origins["fail_under"])
        except GateError as error:
            raise pytest.UsageError(str(error)) from None
    try:
        destinations(settings.report, "--idc-report")
    except ReportError as error:
        raise pytest.UsageError(str(error)) from None


def check_data_file(config: pytest.Config, settings: Settings) -> None:
    """Refuse before the tests a data file that cannot be written or added to, or is none.

    Raises:
        pytest.UsageError: As said, or there is nothing to add to.
    """
    path = data_path(config, settings)
    if path is None:
        if settings.append:
            raise pytest.UsageError(
                "--idc-append adds to the data file, and idc_data_file = none switches it off"
            )
        return
    # The default one only where a test is marked: whoever measures nothing writes nothing.
    if settings.origins.get("data_file", "default") != "default":
        check_place(path)
    from pytest_deepimportance.glue.appending import refuse_settings, stored
    from pytest_deepimportance.store.datafile import check_replaceable

    try:
        check_replaceable(path)
        found = stored(config, settings)
        if found is not None:
            refuse_settings(*found, settings)
    except DataFileError as error:
        raise pytest.UsageError(str(error)) from None


def check_places(config: pytest.Config, settings: Settings) -> None:
    """Refuse before the tests a report in the place of pytest's JUnit file, or of the data file.

    Raises:
        pytest.UsageError: One would be lost.
    """
    taken: dict[str, str] = {}
    path, own = data_path(config, settings), getattr(config.option, "xmlpath", None)
    if path is not None:
        taken[os.path.realpath(path)] = "the data file"
    if own:
        taken[os.path.realpath(os.path.expanduser(os.path.expandvars(own)))] = "--junitxml"
    for item in destinations(settings.report, "--idc-report"):
        other = taken.get(os.path.realpath(item.path)) if item.path is not None else None
        if other is not None:
            raise pytest.UsageError(
                f"--idc-report={item} and {other} are written to the same file: only the last one "
                "would be left"
                + ("; --idc-report=junit adds to the file of --junitxml" * (other[0] == "-"))
            )


def check_compare(settings: Settings, own_criteria: bool = False) -> None:
    """Refuse before the tests what cannot be compared or judged.

    Args:
        own_criteria: As for `check_early`.

    Raises:
        pytest.UsageError: The file is missing or damaged, or a tolerance is malformed.
    """
    if settings.compare is None and not settings.compare_fail:
        return
    from pytest_deepimportance.compare_gate import tolerances
    from pytest_deepimportance.store.datafile import read
    from pytest_deepimportance.thresholds import MEASURED

    try:
        criteria = None if own_criteria else MEASURED
        given = tolerances(settings.compare_fail, criteria=criteria)
        if settings.compare is None:
            raise GateError(
                f"tolerance {given[0].text} says how much may be lost, but against which run?",
                fix="Add --idc-compare=FILE, the data file of an earlier run.",
            )
        path = Path(settings.compare)
        if not path.exists() and settings.missing == "skip":
            return
        read(path)
    except DataFileError as error:
        first = "" if path.exists() else "\nOn a first run there is none: --idc-missing=skip"
        raise pytest.UsageError(f"{error}{first}") from None
    except GateError as error:
        raise pytest.UsageError(str(error)) from None
