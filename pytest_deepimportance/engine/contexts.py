"""Which test covers which items: read off the states that tests recorded anyway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import hstack

from pytest_deepimportance.contributions import Contribution, Contributions
from pytest_deepimportance.criteria.base import Criterion, get, naming
from pytest_deepimportance.engine.sessions import SessionState, TestState, vouches
from pytest_deepimportance.engine.states import BlockState, new_criteria
from pytest_deepimportance.errors import SettingsError
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.settings import Settings
from pytest_deepimportance.statistics.incidence import Incidence, RowItems

Indices = NDArray[np.int64]


def contributions(
    state: SessionState,
    profile: Profile,
    settings: Settings,
    *,
    criteria: Sequence[str] = (),
    suite: str | None = None,
) -> Contributions:
    """Return what each test that counts adds, and a small subset of them that covers as much.

    The subset is chosen greedily: each time the test with the most items that those before it do
    not cover, of equal ones the first by name.

    Args:
        criteria: Whose items; empty: of all criteria of which a test covers items.
        suite: Only tests of this suite; None: those of the total.

    Raises:
        SettingsError: There is no such criterion, or a test by itself covers no items of it.
    """
    tests = _tests(state, settings, suite)
    tables, left_out = _tables(tests, state, profile, settings, criteria)
    table = _joined(tables, len(tests))
    rows, gains = table.greedy()
    places = {int(row): place for place, row in enumerate(rows, start=1)}
    covers = np.diff(table.matrix.indptr)
    alone = table.item_counts[table.matrix.indices] == 1
    before = np.append(0, np.cumsum(alone))
    only = before[table.matrix.indptr[1:]] - before[table.matrix.indptr[:-1]]
    return Contributions(
        criteria=tuple(tables),
        left_out=tuple(left_out),
        items=table.coverage(),
        largest=int(covers.max(initial=0)),
        tests=tuple(
            Contribution(
                nodeid=test.nodeid,
                suite=test.suite,
                inputs=test.inputs,
                covers=int(covers[at]),
                only=int(only[at]),
                place=places.get(at, 0),
                adds=int(gains[places[at] - 1]) if at in places else 0,
            )
            for at, test in enumerate(tests)
        ),
    )


def _tests(state: SessionState, settings: Settings, suite: str | None) -> list[TestState]:
    """Return the tests that count, by name."""
    gated = {test.suite for test in state.tests} - state.ungated
    chosen = {suite} if suite is not None else gated or {test.suite for test in state.tests}
    return [
        test
        for test in sorted(state.tests, key=lambda test: test.nodeid)
        if test.suite in chosen and test.counts and (settings.count == "all" or vouches(test))
    ]


def _tables(
    tests: Sequence[TestState],
    state: SessionState,
    profile: Profile,
    settings: Settings,
    asked: Sequence[str],
) -> tuple[dict[str, Incidence], list[str]]:
    """Return tests x items of each criterion, and the criteria that have no items."""
    known = new_criteria(profile, settings)
    for name in asked:
        if name not in known:
            get(name)
            raise SettingsError(
                f"{name} was not measured", fix=f"Measured were {', '.join(known)}."
            )
    tables, left_out = {}, []
    for name in asked or known:
        with naming(name):
            found = _table(known[name], tests, state.blocks)
        if found is None:
            left_out.append(name)
        else:
            tables[name] = found
    if asked and left_out:
        raise SettingsError(
            f"a test by itself covers no items of {', '.join(left_out)}",
            "What it adds depends on the tests before it.",
            f"Ask for others: {', '.join(name for name in known if name not in left_out)}.",
        )
    return tables, left_out


def _table(
    criterion: Criterion,
    tests: Sequence[TestState],
    blocks: Mapping[str, Mapping[str, BlockState]],
) -> Incidence | None:
    if criterion.fresh().held() is None:
        return None
    known: dict[tuple[str, str], Indices] = {}

    def items_of(slot: str, key: str) -> Indices:
        if (slot, key) not in known:
            block = blocks.get(key, {}).get(slot)
            held = None
            if block is not None:
                held = criterion.restored(block.criteria[criterion.name]).held()
            known[slot, key] = np.zeros(0, dtype=np.int64) if held is None else held
        return known[slot, key]

    rows = []
    for test in tests:
        parts = [items_of(slot, key) for slot, key in test.claims]
        rows.append(np.unique(np.concatenate(parts)) if parts else np.zeros(0, dtype=np.int64))
    counts = np.array([len(row) for row in rows], dtype=np.int64)
    joined = np.concatenate(rows) if rows else np.zeros(0, dtype=np.int64)
    return Incidence.joined([RowItems(counts, joined)], 0, criterion.item_numbers)


def _joined(tables: Mapping[str, Incidence], tests: int) -> Incidence:
    """Return one table of the items of all criteria."""
    if not tables:
        return Incidence.joined([RowItems(np.zeros(tests, np.int64), np.zeros(0, np.int64))])
    matrix = hstack([table.matrix for table in tables.values()], format="csr")
    return Incidence(matrix, np.arange(matrix.shape[1], dtype=np.int64))
