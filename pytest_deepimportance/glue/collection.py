"""After collection: find the marked tests and start recording if there is a model to watch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from pytest_deepimportance.glue.keys import MARKED, NODE_ID, UNWATCHED, fixtures_of, runs_nothing
from pytest_deepimportance.glue.markers import (
    SUITE,
    assign_suites,
    check_suite_paths,
    with_criteria_of,
)
from pytest_deepimportance.glue.places import check_place, data_path
from pytest_deepimportance.settings import Settings

if TYPE_CHECKING:
    from pytest_deepimportance.glue.recording import Recording

RECORDING: pytest.StashKey[Recording] = pytest.StashKey()
"""On the config, while recording is active in this process."""

_OWN_FIXTURES = frozenset({"idc_model", "idc_reference", "idc_profile", "idc", "request"})


def prepare(session: pytest.Session, items: list[pytest.Item], settings: Settings) -> None:
    """Activate recording for the marked items (DESIGN D1), or do nothing."""
    config = session.config
    check_suite_paths(settings, config.rootpath)
    own_criteria = bool(config.hook.pytest_idc_criteria.get_hookimpls())
    marked = assign_suites(items, settings, own_criteria)
    config.stash[MARKED] = len(marked)
    if not marked or runs_nothing(config):
        return
    if not (settings.model or settings.profile or any(overrides_model(item) for item in marked)):
        config.stash[UNWATCHED] = True
        return
    from pytest_deepimportance.glue.recording import Recording
    from pytest_deepimportance.glue.thresholds import session_thresholds, suite_thresholds

    place = data_path(config, settings)
    if place is not None and not hasattr(config, "workerinput"):
        check_place(place)
    register_criteria(config)
    check_criteria(settings, marked)
    for item in items:
        item.stash[NODE_ID] = item.nodeid
    suites = {item.stash[SUITE].name: item.stash[SUITE] for item in marked}
    session_thresholds(settings)
    suite_thresholds(suites.values())
    recording = Recording(config, with_criteria_of(suites.values(), settings), marked)
    config.stash[RECORDING] = recording
    config.pluginmanager.register(recording, "idc_session")
    for item in [*marked, *_companions(items, marked)]:
        names = getattr(item, "fixturenames", None)
        if names is not None:
            if "idc_profile" not in names:
                recording.given[id(names)] = names
            # First, so that the recorder is there before any other fixture runs the model. It is
            # moved here because pytest orders a closure by scope: a session-scoped prediction
            # fixture would otherwise come before this function-scoped one.
            names[:] = ["idc_profile", *(name for name in names if name != "idc_profile")]


def register_criteria(config: pytest.Config) -> None:
    """Register the criteria that conftest files and plugins offer by `pytest_idc_criteria`.

    Raises:
        pytest.UsageError: One of them is no criterion, or its name is taken.
    """
    from pytest_deepimportance.criteria.base import Criterion, register
    from pytest_deepimportance.errors import SettingsError

    for offered in config.hook.pytest_idc_criteria():
        for criterion in offered if isinstance(offered, (list, tuple)) else [offered]:
            if not (isinstance(criterion, type) and issubclass(criterion, Criterion)):
                raise pytest.UsageError(
                    f"pytest_idc_criteria returned {criterion!r}, not a subclass of "
                    "pytest_deepimportance.Criterion"
                )
            try:
                register(criterion)
            except SettingsError as error:
                raise pytest.UsageError(str(error)) from None


def check_criteria(settings: Settings, marked: Sequence[pytest.Item]) -> None:
    """Refuse names of criteria that do not exist, in settings, tolerances and markers."""
    from pytest_deepimportance.compare_gate import tolerances
    from pytest_deepimportance.criteria.base import get, names
    from pytest_deepimportance.engine.chosen import asked_for
    from pytest_deepimportance.errors import GateError, SettingsError

    try:
        asked_for(settings)
        tolerances(settings.compare_fail, criteria=names())
        for item in marked:
            for name in item.stash[SUITE].criteria or ():
                get(name)
    except (SettingsError, GateError) as error:
        raise pytest.UsageError(str(error)) from None


def overrides_model(item: pytest.Item) -> bool:
    """Whether the item sees an `idc_model` fixture other than the plugin's own."""
    return _overrides(item, "idc_model")


def overrides_reference(item: pytest.Item) -> bool:
    """Whether the item sees an `idc_reference` fixture other than the plugin's own."""
    return _overrides(item, "idc_reference")


def overrides_resources(item: pytest.Item) -> bool:
    """Whether the item sees a model or a reference other than the plugin's own."""
    return overrides_model(item) or overrides_reference(item)


def _overrides(item: pytest.Item, name: str) -> bool:
    definition = fixture_definition(item, name)
    return definition is not None and definition.func.__module__ != "pytest_deepimportance.plugin"


def fixture_definition(item: pytest.Item, name: str) -> Any:
    """Return the fixture definition that `name` means for this item, or None."""
    found = item.session._fixturemanager.getfixturedefs(name, item)
    return found[-1] if found else None


def _companions(items: Sequence[pytest.Item], marked: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Return unmarked items that may be first to set up a fixture shared with a marked one."""
    shared = {definition for item in marked for definition in _shared_fixtures(item)}
    return [
        item
        for item in items
        if SUITE not in item.stash and any(f in shared for f in _shared_fixtures(item))
    ]


def _shared_fixtures(item: pytest.Item) -> list[Any]:
    """Return the item's fixture definitions that outlive a single test."""
    info = getattr(item, "_fixtureinfo", None)
    if info is None:
        return []
    return [
        definition
        for name in fixtures_of(item)
        if name not in _OWN_FIXTURES
        for definition in info.name2fixturedefs.get(name, ())
        if definition.scope != "function"
    ]
