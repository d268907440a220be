"""Which test covers which items: read off the states that tests recorded anyway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.sparse import hstack

from pytest_deepimportance.contributions import Contribution, Contributions
from pytest_deepimportance.criteria.base import Criterion, get, naming
from pytest_deepimportance.engine.merging import KeptRows, in_order
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
    wanted = {name: known[name] for name in asked or known}
    able = {name: c for name, c in wanted.items() if c.fresh().held() is not None}
    left_out = [name for name in wanted if name not in able]
    if asked and left_out:
        raise SettingsError(
            f"a test by itself covers no items of {', '.join(left_out)}",
            "What it adds depends on the tests before it.",
            f"Ask for others: {', '.join(name for name in known if name not in left_out)}.",
        )
    return _incidence(able, tests, state.blocks), left_out


def _incidence(
    criteria: Mapping[str, Criterion],
    tests: Sequence[TestState],
    blocks: Mapping[str, Mapping[str, BlockState]],
) -> dict[str, Incidence]:
    """Return tests x items of each criterion."""
    claimed = sorted({claim for test in tests for claim in test.claims})
    found = [(slot, key) for slot, key in claimed if slot in blocks.get(key, {})]
    states = [blocks[key][slot] for slot, key in found]
    items = _items(states, criteria)
    kinds = sorted({state.waiting for state in states})
    lines: dict[tuple[bool, ...], list[list[int]]] = {}
    tables = {}
    for name, criterion in criteria.items():
        waits = tuple(name in waiting for waiting in kinds)
        if waits not in lines:
            numbers = [len(state.digests) if name in state.waiting else 1 for state in states]
            lines[waits] = _lines(tests, found, numbers)
        table = Incidence.joined(items[name], 0, criterion.item_numbers)
        tables[name] = table.united(lines[waits])
    return tables


def _lines(
    tests: Sequence[TestState], found: Sequence[tuple[str, str]], numbers: Sequence[int]
) -> list[list[int]]:
    """Return which lines belong to each test.

    Args:
        found: What tests claim, in the order of the lines.
        numbers: How many lines each of these has.
    """
    ends = np.cumsum(numbers).tolist()
    spans = {c: range(end - n, end) for c, n, end in zip(found, numbers, ends, strict=True)}
    return [[line for claim in test.claims for line in spans.get(claim, ())] for test in tests]


def _items(
    states: Sequence[BlockState], criteria: Mapping[str, Criterion]
) -> dict[str, list[RowItems]]:
    """Return for each criterion lines of items, block after block.

    A block that kept its rows has one for each of them, any other one for all.
    """
    parts: dict[str, list[RowItems]] = {name: [] for name in criteria}
    for part in in_order(states):
        for name, criterion in criteria.items():
            with naming(name):
                items = _items_of(part, criterion)
                if items is not None:
                    parts[name].append(items)
    return parts


def _items_of(part: BlockState | KeptRows, criterion: Criterion) -> RowItems | None:
    """Return the lines of one block, or of joined rows; None where they are not its to measure."""
    if isinstance(part, BlockState):
        if criterion.name in part.waiting:
            return None
        held = criterion.restored(part.criteria[criterion.name]).held()
        assert held is not None
        return RowItems(np.array([len(held)]), held)
    return criterion.fresh().items(part.batch) if criterion.name in part.waiting else None


def _joined(tables: Mapping[str, Incidence], tests: int) -> Incidence:
    """Return one table of the items of all criteria."""
    if not tables:
        return Incidence.joined([RowItems(np.zeros(tests, np.int64), np.zeros(0, np.int64))])
    matrix = hstack([table.matrix for table in tables.values()], format="csr")
    return Incidence(matrix, np.arange(matrix.shape[1], dtype=np.int64))
