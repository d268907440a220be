"""Which test covers which items: read off the states that tests recorded anyway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.sparse import hstack

from pytest_deepimportance.contributions import Contribution, Contributions
from pytest_deepimportance.criteria.base import Criterion, get, naming
from pytest_deepimportance.engine.merging import in_order
from pytest_deepimportance.engine.sessions import SessionState, TestState, vouches
from pytest_deepimportance.engine.states import BlockState, new_criteria
from pytest_deepimportance.errors import SettingsError
from pytest_deepimportance.parsing import spelled
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.settings import Settings
from pytest_deepimportance.statistics.covers import fewest
from pytest_deepimportance.statistics.incidence import Incidence, RowItems


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
        fewest=fewest(table.matrix),
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
    asked = [spelled(name, known) for name in asked]
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
    """Return tests x items of a criterion, None where a test by itself covers none."""
    if criterion.fresh().held() is None:
        return None
    claimed = sorted({claim for test in tests for claim in test.claims})
    found = [(slot, key) for slot, key in claimed if slot in blocks.get(key, {})]
    parts, lines = _items([blocks[key][slot] for slot, key in found], criterion)
    table = Incidence.joined(parts, 0, criterion.item_numbers)
    ends = np.cumsum(lines)
    spans = {claim: range(end - n, end) for claim, n, end in zip(found, lines, ends, strict=True)}
    claims = [[line for claim in test.claims for line in spans.get(claim, ())] for test in tests]
    return table.united(claims)


def _items(states: Sequence[BlockState], criterion: Criterion) -> tuple[list[RowItems], list[int]]:
    """Return lines of items, block after block, and how many lines each block has.

    A block that kept its rows has one for each of them, any other one for all.
    """
    name = criterion.name
    parts: list[RowItems] = []
    for part in in_order(states):
        if isinstance(part, BlockState):
            if name not in part.waiting:
                held = criterion.restored(part.criteria[name]).held()
                assert held is not None
                parts.append(RowItems(np.array([len(held)]), held))
        elif name in part.waiting:
            items = criterion.fresh().items(part.batch)
            assert items is not None
            parts.append(items)
    return parts, [len(state.digests) if name in state.waiting else 1 for state in states]


def _joined(tables: Mapping[str, Incidence], tests: int) -> Incidence:
    """Return one table of the items of all criteria."""
    if not tables:
        return Incidence.joined([RowItems(np.zeros(tests, np.int64), np.zeros(0, np.int64))])
    matrix = hstack([table.matrix for table in tables.values()], format="csr")
    return Incidence(matrix, np.arange(matrix.shape[1], dtype=np.int64))
