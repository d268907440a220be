"""Which fixture instances a test used, so that it can claim the passes they made.

pytest calls `pytest_fixture_setup` only when a fixture is really set up; a cached fixture is handed
out silently. What a test used is therefore read from the request's table of active fixture
definitions, and what a fixture used in turn is remembered from its own set-up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from pytest_deepimportance.glue.keys import node_id


@dataclass
class FixtureInstance:
    """One set-up of a fixture: the key of its block, and the instances it used itself.

    `known` holds the names that were active before its function ran: what is active afterwards
    and not among them was asked for by getfixturevalue inside it.
    """

    key: str
    known: frozenset[str] = frozenset()
    uses: list[FixtureInstance] = field(default_factory=list)


class FixtureLedger:
    """Knows the live instance of each fixture definition."""

    def __init__(self) -> None:
        self._live: dict[int, FixtureInstance] = {}
        self._set_up: Counter[str] = Counter()

    def begin(self, definition: Any, request: pytest.FixtureRequest) -> FixtureInstance:
        """Note that `definition` is being set up and return its instance."""
        known = frozenset(active_definitions(request))
        instance = FixtureInstance(block_key(definition, request), known)
        self._live[id(definition)] = instance
        self._set_up[instance.key] += 1
        return instance

    def serial(self, key: str) -> int:
        """Return how often the fixture of this block was set up so far; 0 for a test's block.

        A fixture that is torn down and set up again has a second block under one key.
        """
        return self._set_up[key]

    def finish(
        self, instance: FixtureInstance, definition: Any, request: pytest.FixtureRequest
    ) -> None:
        """Note what the fixture used while it was set up."""
        active = active_definitions(request)
        names = {*definition.argnames, *(set(active) - instance.known)}
        used = [active[name] for name in names if name in active and active[name] is not definition]
        instance.uses = [self._live[id(d)] for d in used if id(d) in self._live]

    def forget(self, definition: Any) -> str | None:
        """Note that the instance was torn down; return the key of its block if there was one."""
        instance = self._live.pop(id(definition), None)
        return None if instance is None else instance.key

    def claimed_by(self, item: pytest.Item) -> list[str]:
        """Return the block keys of every fixture instance the test used, directly or not."""
        request = getattr(item, "_request", None)
        if request is None:
            return []
        keys: dict[str, None] = {}
        for definition in active_definitions(request).values():
            root = self._live.get(id(definition))
            if root is not None:
                _collect([root], keys)
        return list(keys)


def _collect(instances: Iterable[FixtureInstance], keys: dict[str, None]) -> None:
    for instance in instances:
        if instance.key not in keys:
            keys[instance.key] = None
            _collect(instance.uses, keys)


def active_definitions(request: Any) -> dict[str, Any]:
    """Return the fixture definitions a request has used so far, by name.

    The table is private, but it is the only place that knows fixtures obtained by getfixturevalue.
    """
    return dict(getattr(request, "_fixture_defs", {}))


def is_parameter(definition: Any) -> bool:
    """Whether pytest made this fixture of an argument of `parametrize`: it runs nothing."""
    return getattr(definition.func, "__name__", "") == "get_direct_param_fixture_func"


def block_key(definition: Any, request: pytest.FixtureRequest) -> str:
    """Return the key of a fixture instance: scope node, definition, parameter.

    Equal in every worker that sets the fixture up, so that their blocks merge.
    """
    node = node_id(request.node)
    index = getattr(request, "param_index", 0)
    parameter = f"[{index}]" if hasattr(request, "param") else ""
    return f"fixture {node}::{definition.baseid}::{definition.argname}{parameter}"
