"""The thresholds of a session, read with the criteria that are known to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pytest_deepimportance.criteria.base import get, names
from pytest_deepimportance.errors import GateError
from pytest_deepimportance.settings import Settings
from pytest_deepimportance.thresholds import Threshold, parse_threshold


def session_thresholds(settings: Settings) -> list[Threshold]:
    """Parse the thresholds of option and ini file.

    Raises:
        GateError: One of them is malformed.
    """
    origin = settings.origins.get("fail_under", "default")
    return [parse_threshold(t, origin, criteria=_units()) for t in settings.fail_under]


def suite_thresholds(suites: Iterable[Mapping[str, Any]]) -> list[Threshold]:
    """Parse the thresholds that markers set, each for its own suite.

    Args:
        suites: Each with name, fail_under, gate and reason.

    Raises:
        GateError: One of them is malformed.
    """
    result = []
    for suite in suites:
        for text in suite["fail_under"] if suite["gate"] else ():
            try:
                result.append(
                    parse_threshold(
                        text, "marker", suite["name"], criteria=_units(),
                        reason=suite["reason"] or "",
                    )
                )  # fmt: skip
            except GateError as error:
                raise GateError(f"idc_suite {suite['name']!r}: {error}") from None
    return result


def unsteady() -> set[str]:
    """Return the criteria whose number may be lower for all tests than for a part of them."""
    rules = {"monotone", "order-free"}
    return {name for name in names() if rules & set(get(name).breaks)}


def _units() -> dict[str, str]:
    """Return the unit of every criterion, those of conftest files included."""
    return {name: get(name).unit for name in names()}
