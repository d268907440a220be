"""What a marked test asks for: its suite, and thresholds of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_deepimportance.data.tags import Tags, as_tags
from pytest_deepimportance.errors import GateError, RecordingError, did_you_mean
from pytest_deepimportance.glue.keys import fixtures_of
from pytest_deepimportance.glue.requirements import as_requirements
from pytest_deepimportance.settings import Settings
from pytest_deepimportance.thresholds import MEASURED, parse_threshold

_ARGUMENTS = ("name", "criteria", "fail_under", "gate", "reason", "slice", "requirement")
DEFAULT_SUITE = "default"


@dataclass(frozen=True)
class Suite:
    """Settings of one suite, the same for all of its tests.

    Attributes:
        name: Suite name.
        criteria: Criteria to show for it, None for all.
        fail_under: Thresholds that the marker set for this suite.
        gate: False leaves the suite out of TOTAL and of every threshold.
        reason: Why its thresholds were set.
    """

    name: str = DEFAULT_SUITE
    criteria: tuple[str, ...] | None = None
    fail_under: tuple[str, ...] = ()
    gate: bool = True
    reason: str | None = None

    def to_wire(self) -> dict[str, Any]:
        """Return builtins only, for a report that travels between processes."""
        return {
            "name": self.name,
            "criteria": None if self.criteria is None else list(self.criteria),
            "fail_under": list(self.fail_under),
            "gate": self.gate,
            "reason": self.reason,
        }

    @classmethod
    def from_wire(cls, data: dict[str, Any]) -> Suite:
        """Rebuild from `to_wire` data."""
        criteria = data["criteria"]
        return cls(
            data["name"],
            None if criteria is None else tuple(criteria),
            tuple(data["fail_under"]),
            data["gate"],
            data["reason"],
        )


SUITE = pytest.StashKey[Suite]()
"""On every marked item: its suite."""

SLICE = pytest.StashKey[Tags]()
"""On a marked item whose marker names slices: these. Tests of one suite may differ in them."""

REQUIREMENTS = pytest.StashKey[tuple[str, ...]]()
"""On a marked item whose marker names requirements: these. Tests of one suite may differ."""


def assign_suites(
    items: Sequence[pytest.Item], settings: Settings, own_criteria: bool = False
) -> list[pytest.Item]:
    """Put each marked item's suite on its stash and return the marked items.

    Marked are items with the marker, items whose path an `idc_suites` line names, and items that
    use the `idc` fixture.

    Args:
        own_criteria: Whether a conftest file brings criteria: thresholds may be about these, so
            they are read later, when their names and units are known.

    Raises:
        pytest.UsageError: Bad marker arguments, or one suite name with two different settings; the
            message names file and line.
    """
    paths = [_suite_path(line) for line in settings.suites]
    seen: dict[str, tuple[Suite, pytest.Item]] = {}
    marked = []
    for item in items:
        suite = _suite_of(item, paths, own_criteria)
        if suite is None:
            continue
        earlier = seen.get(suite.name)
        if earlier is None or _is_plain(earlier[0]):
            seen[suite.name] = (suite, item)
        elif not _is_plain(suite) and suite != earlier[0]:
            raise pytest.UsageError(
                f"idc_suite {suite.name!r} has two different settings:\n"
                f"  {place(earlier[1])}: {_shown(earlier[0])}\n  {place(item)}: {_shown(suite)}\n"
                "Give the settings once, or use two names."
            )
        marked.append((item, suite.name))
    for item, name in marked:
        item.stash[SUITE] = seen[name][0]
    return [item for item, _ in marked]


def with_criteria_of(suites: Iterable[Suite], settings: Settings) -> Settings:
    """Return the settings with the criteria that markers ask for added."""
    more = [c for s in suites for c in s.criteria or () if not settings.asks_for(c)]
    if not more:
        return settings
    return settings.replace("marker", criteria=[*settings.criteria, *dict.fromkeys(more)])


def _is_plain(suite: Suite) -> bool:
    """Whether only the name was given: such a marker agrees with any settings."""
    return suite == Suite(suite.name)


def _shown(suite: Suite) -> str:
    given = {
        "criteria": suite.criteria,
        "fail_under": ", ".join(suite.fail_under) or None,
        "gate": None if suite.gate else False,
        "reason": suite.reason,
    }
    return ", ".join(f"{key}={value!r}" for key, value in given.items() if value is not None)


def place(item: pytest.Item) -> str:
    """Return "file:line" of a test."""
    path, line, _ = item.reportinfo()
    return f"{path}:{line + 1 if line is not None else '?'}"


def _suite_of(
    item: pytest.Item, paths: Sequence[tuple[str, str]], own_criteria: bool
) -> Suite | None:
    marker = item.get_closest_marker("idc_suite")
    if marker is not None:
        return _from_marker(marker, item, own_criteria)
    where = item.nodeid.partition("::")[0]
    for path, name in paths:
        if where == path or where.startswith(path.rstrip("/") + "/"):
            return Suite(name)
    return Suite() if "idc" in fixtures_of(item) else None


def check_suite_paths(settings: Settings, root: Path) -> None:
    """Refuse an `idc_suites` line with a path that does not exist: its tests would go unmeasured.

    Raises:
        pytest.UsageError: There is no such file or folder below `root`.
    """
    for line in settings.suites:
        path, name = _suite_path(line)
        if not (root / path).exists():
            raise pytest.UsageError(
                f"idc_suites: there is no {path} in {root}, so suite {name!r} would lack its "
                "tests\nPaths are relative to pytest's rootdir."
            )


def _suite_path(line: str) -> tuple[str, str]:
    path, equals, name = line.partition("=")
    if not equals or not path.strip() or not name.strip():
        raise pytest.UsageError(
            f"idc_suites: {line!r} is not of the form 'path = suite', such as 'tests/clean = clean'"
        )
    return path.strip().removeprefix("./"), name.strip()


def _from_marker(marker: pytest.Mark, item: pytest.Item, own_criteria: bool) -> Suite:
    def refuse(message: str) -> pytest.UsageError:
        return pytest.UsageError(f"{place(item)}: idc_suite: {message}")

    arguments = _arguments(marker, refuse)
    name, gate = arguments.get("name", DEFAULT_SUITE), arguments.get("gate", True)
    if not isinstance(name, str) or not name.strip() or "/" in name or name == "TOTAL":
        raise refuse(f"name={name!r} is not a usable name (text without '/', not TOTAL)")
    if not isinstance(gate, bool):
        raise refuse(f"gate={gate!r} is neither True nor False")
    if not gate and arguments.get("fail_under") is not None:
        raise refuse(
            "gate=False leaves the suite out of every threshold, so fail_under would never be "
            "judged: leave one of the two out"
        )
    criteria, bounds, reason = map(arguments.get, ("criteria", "fail_under", "reason"))
    suite = Suite(
        name=name.strip(),
        criteria=None if criteria is None else tuple(map(_spelled, _texts(criteria))),
        fail_under=() if bounds is None else _texts(bounds),
        gate=gate,
        reason=None if reason is None else str(reason),
    )
    try:
        for text in () if own_criteria else suite.fail_under:
            parse_threshold(text, suite=suite.name)
        if "slice" in arguments:
            item.stash[SLICE] = as_tags(arguments["slice"])
        if "requirement" in arguments:
            item.stash[REQUIREMENTS] = as_requirements(arguments["requirement"])
    except (GateError, RecordingError) as error:
        raise refuse(str(error)) from None
    return suite


def _arguments(marker: pytest.Mark, refuse: Callable[[str], pytest.UsageError]) -> dict[str, Any]:
    """Return the marker's arguments by name, the first one may be positional."""
    arguments = dict(marker.kwargs)
    if len(marker.args) > 1:
        raise refuse(f"one positional argument (the name) at most, got {marker.args!r}")
    if marker.args:
        if "name" in arguments:
            raise refuse("the name is given twice")
        arguments["name"] = marker.args[0]
    for key in arguments:
        if key not in _ARGUMENTS:
            hint = did_you_mean(key, _ARGUMENTS) or f"arguments: {', '.join(_ARGUMENTS)}"
            raise refuse(f"unknown argument {key!r}: {hint}")
    return arguments


def _spelled(criterion: str) -> str:
    """Return the name of one of our criteria as it is spelled, whatever the case."""
    return next((name for name in MEASURED if name.lower() == criterion.lower()), criterion)


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, (list, tuple)) else (str(value),)
