"""Thresholds of a session: from option or ini file, and from the markers of suites."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from pytest_deepimportance import gating
from pytest_deepimportance.engine import gates
from pytest_deepimportance.engine.assemble import assemble
from pytest_deepimportance.engine.sessions import SessionState
from pytest_deepimportance.errors import GateError, IdcError
from pytest_deepimportance.glue.markers import Suite
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.settings import Settings
from pytest_deepimportance.thresholds import Threshold


def session_thresholds(settings: Settings) -> list[Threshold]:
    """Parse the thresholds of option and ini file.

    Raises:
        pytest.UsageError: One of them is malformed.
    """
    try:
        return gates.session_thresholds(settings)
    except GateError as error:
        raise pytest.UsageError(str(error)) from None


def suite_thresholds(suites: Iterable[Suite]) -> list[Threshold]:
    """Parse the thresholds that markers set, each for its own suite.

    Raises:
        pytest.UsageError: One of them is malformed.
    """
    try:
        return gates.suite_thresholds(suite.to_wire() for suite in suites)
    except GateError as error:
        raise pytest.UsageError(str(error)) from None


def sentences_before_tests(
    profile: Profile, settings: Settings, suites: Mapping[str, Suite]
) -> list[str]:
    """Return what must be said before the tests: thresholds that cannot be met, or cannot fail.

    Args:
        suites: Every suite of the session, by name.
    """
    thresholds = [*session_thresholds(settings), *suite_thresholds(suites.values())]
    if not thresholds:
        return []
    sentences = gating.before_tests(profile.info(), profile.reference, thresholds)
    try:
        nothing = assemble(profile, settings, SessionState(tests=(), blocks={}))
    except IdcError:  # of a user's own criterion, which says so when it is measured
        return sentences
    return sentences + gating.doubtful(
        nothing, thresholds, list(suites), part=settings.shard or settings.append
    )
