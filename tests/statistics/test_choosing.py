"""Ranking by added items against sets and loops."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance.statistics.choosing import preference, ranked, without_covered
from pytest_deepimportance.statistics.incidence import Incidence, RowItems
from tests.oracles import reference_suggest

Rows = list[set[int]]
ROWS = st.lists(st.sets(st.integers(0, 12), max_size=5), max_size=12)


def table(rows: Rows) -> Incidence:
    pairs = [(row, item) for row, items in enumerate(rows) for item in sorted(items)]
    numbers = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return Incidence.joined([RowItems.of(numbers[:, 0], numbers[:, 1], len(rows))], 13)


@settings(max_examples=200, deadline=None)
@given(ROWS, ROWS.filter(bool), st.integers(0, 15), st.randoms())
def test_the_greedy_choice_equals_loops_over_sets(
    suite: Rows, pool: Rows, count: int, random: object
) -> None:
    wanted = list(range(len(pool)))
    random.shuffle(wanted)  # type: ignore[attr-defined]
    whole = table([*suite, *pool])
    open_ = without_covered(whole, np.arange(len(suite)), len(suite) + np.arange(len(pool)))
    covered: set[int] = set().union(*suite)
    chosen, gains = ranked(open_, np.array(wanted, dtype=np.int64), count)
    expected = reference_suggest.greedy(covered, pool, wanted, count)
    adding = [pair for pair in zip(chosen.tolist(), gains.tolist(), strict=True) if pair[1]]
    assert adding == expected
    assert len(chosen) == min(count, len(pool))
    rest = chosen[len(expected) :].tolist()
    assert rest == [row for row in wanted if row not in dict(expected)][: len(rest)]
    for rows in (chosen, np.arange(len(pool))):
        assert open_.coverage(rows) == reference_suggest.added(covered, pool, rows.tolist())


def test_preference_sorts_by_keys_with_nan_last() -> None:
    first = np.array([1.0, 0.0, 1.0, np.nan])
    second = np.array([2, 5, 1, 0])
    assert preference(first, second).tolist() == [1, 2, 0, 3]
