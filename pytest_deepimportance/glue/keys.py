"""What the shell and the glue share; standard library, pytest and settings only."""

from __future__ import annotations

import pytest

from pytest_deepimportance.settings import Settings

SETTINGS = pytest.StashKey[Settings]()
"""On the config: the session's settings; absent with --no-idc."""

SKIPPED = pytest.StashKey[str]()
"""On the config: why the measurement was skipped (idc_missing = skip)."""


NODE_ID = pytest.StashKey[str]()
"""On a collected item: its node id before pytest-xdist appended the name of its group."""


def node_id(node: pytest.Collector | pytest.Item) -> str:
    """Return the node id, the same under any distribution."""
    return node.stash.get(NODE_ID, node.nodeid)


def fixtures_of(item: pytest.Item) -> list[str]:
    """Return the fixture names an item uses (doctests and custom items may have none)."""
    return list(getattr(item, "fixturenames", ()))
