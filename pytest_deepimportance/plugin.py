"""The pytest plugin: options, ini keys, markers, thin fixtures.

This module and what it imports at the top stay free of torch, so that an inactive plugin costs
nothing; everything real is imported from `glue` inside a hook or fixture body.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_deepimportance import hookspecs

if TYPE_CHECKING:
    from pytest_deepimportance.glue.idc import Idc

MARKER = (
    "idc_suite(name='default', *, criteria=None, fail_under=None, gate=True, reason=None, "
    "slice=None, requirement=None): "
    "record the forward passes of this test in the named suite (Importance-Driven Coverage)."
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add one option and one ini key for each setting of the table."""
    from pytest_deepimportance.glue.options import add_options

    add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Offer our own hooks."""
    pluginmanager.add_hookspecs(hookspecs)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    """Refuse a misspelled --idc option with the nearest valid one (argparse names none)."""
    from pytest_deepimportance.glue.options import refuse_unknown_options

    refuse_unknown_options(args)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, read the settings, and listen for what tests record."""
    config.addinivalue_line("markers", MARKER)
    if config.getoption("idc_off"):
        return
    from pytest_deepimportance.glue.inlet import Inlet
    from pytest_deepimportance.glue.keys import SETTINGS
    from pytest_deepimportance.glue.options import (
        check_compare,
        check_data_file,
        check_early,
        settings_of,
    )

    active = config.stash[SETTINGS] = settings_of(config)
    own_criteria = bool(config.hook.pytest_idc_criteria.get_hookimpls())
    check_early(active, own_criteria)
    if not hasattr(config, "workerinput"):
        check_data_file(config, active)
        check_compare(active, own_criteria)
        config.pluginmanager.register(Inlet(config, active), "idc_inlet")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist, which may run on another machine, where the run started."""
    from pytest_deepimportance.glue.places import STARTED, started

    node.workerinput[STARTED] = started(node.config)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the controller of pytest-xdist, from a worker, which marked tests were collected."""
    if hasattr(session.config, "workeroutput"):
        from pytest_deepimportance.glue.unjudged import COLLECTED, collected_here

        session.config.workeroutput[COLLECTED] = collected_here(session.config).to_wire()


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Print every setting with value and origin for --idc-settings."""
    if not config.getoption("idc_settings"):
        return None
    from pytest_deepimportance.glue.options import print_settings, settings_of

    print_settings(settings_of(config))
    return 0


def pytest_report_header(config: pytest.Config) -> str | None:
    """Name the model in one line when the plugin is active by option or ini."""
    from pytest_deepimportance.glue.keys import SETTINGS

    active = config.stash.get(SETTINGS, None)
    if active is None or not (active.model or active.profile):
        return None
    from pytest_deepimportance.glue.places import as_shown
    from pytest_deepimportance.reporting.base import header

    return header(as_shown(active, config))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> Iterator[None]:
    """Start recording when a marked test was collected and there is a model to watch."""
    from pytest_deepimportance.glue.keys import SETTINGS, fixtures_of
    from pytest_deepimportance.glue.marks import refuse_unknown_marks

    active = config.stash.get(SETTINGS, None)
    if active is not None and (active.model or active.profile or active.fail_under):
        refuse_unknown_marks(config, items)
    if active is not None and (
        active.suites
        or any(i.get_closest_marker("idc_suite") or "idc" in fixtures_of(i) for i in items)
    ):
        from pytest_deepimportance.glue.collection import prepare

        prepare(session, items, active)
    yield


@pytest.fixture(scope="session")
def idc_model(request: pytest.FixtureRequest) -> Any:
    """Return the model to measure, loaded from --idc-model; override it to build your own."""
    from pytest_deepimportance.glue.resources import load_idc_model

    return load_idc_model(request.config)


@pytest.fixture(scope="session")
def idc_reference(request: pytest.FixtureRequest) -> Any:
    """Return the reference (training) data from --idc-reference; override it to use your own."""
    from pytest_deepimportance.glue.resources import load_idc_reference

    return load_idc_reference(request.config)


@pytest.fixture
def idc_profile(request: pytest.FixtureRequest) -> Any:
    """Return the profile of this test's model and reference, computed once per session."""
    from pytest_deepimportance.glue.resources import profile_of

    return profile_of(request)


@pytest.fixture
def idc(request: pytest.FixtureRequest, idc_profile: Any) -> Idc:
    """Return the handle of this test's recording: `idc(x)`, `idc.labels(y)`, `idc.coverage()`."""
    from pytest_deepimportance.glue.idc import Idc

    return Idc(request)
