"""What the shell and the glue share; standard library, pytest and settings only."""

from __future__ import annotations

import pytest

from pytest_deepimportance.settings import Settings

SETTINGS = pytest.StashKey[Settings]()
"""On the config: the session's settings; absent with --no-idc."""

MARKED = pytest.StashKey[int]()
"""On the config: how many marked tests this process collected, before any was deselected."""

UNWATCHED = pytest.StashKey[bool]()
"""On the config: there are marked tests, but no model is named."""

MISSPELLED = pytest.StashKey[str]()
"""On the config of a worker: a mark that was meant to be ours."""

SKIPPED = pytest.StashKey[str]()
"""On the config: why the measurement was skipped (idc_missing = skip)."""


NODE_ID = pytest.StashKey[str]()
"""On a collected item: its node id before pytest-xdist appended the name of its group."""

_NO_RUN = ("collectonly", "setupplan", "setuponly", "showfixtures", "show_fixtures_per_test")

PART_FAILED = pytest.StashKey[bool]()
"""On an item: whether one of its subtests failed in the attempt that runs."""


def node_id(node: pytest.Collector | pytest.Item) -> str:
    """Return the node id, the same under any distribution."""
    known = node.stash.get(NODE_ID, None)
    return node.nodeid if known is None else known


def runs_nothing(config: pytest.Config) -> bool:
    """Whether tests are only listed, or their fixtures: there is nothing to measure then."""
    return any(getattr(config.option, name, False) for name in _NO_RUN)


def selects_in_silence(config: pytest.Config) -> bool:
    """Whether tests are left out while they are collected, of which nobody is told.

    So do --lf, pytest-testmon and pytest-picked.
    """
    chosen = config.option
    testmon = getattr(chosen, "testmon", False) and not getattr(chosen, "testmon_noselect", False)
    return bool(testmon or getattr(chosen, "lf", False) or getattr(chosen, "picked", False))


def fixtures_of(item: pytest.Item) -> list[str]:
    """Return the fixture names an item uses (doctests and custom items may have none)."""
    return list(getattr(item, "fixturenames", ()))
