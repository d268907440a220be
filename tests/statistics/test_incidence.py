"""The sparse table of inputs and items against sets, one input at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_deepimportance.errors import SettingsError
from pytest_deepimportance.statistics.incidence import Incidence, RowItems
from tests.oracles import reference_items as slow

tables = st.lists(st.sets(st.integers(0, 12), max_size=6), max_size=12)


def row_items(sets):
    items = [sorted(one) for one in sets]
    flat = np.array([item for one in items for item in one], dtype=np.int64)
    return RowItems(np.array([len(one) for one in items], dtype=np.int64), flat)


def table(sets, possible=0, total=13):
    return Incidence.joined([row_items(sets)], total, possible)


@given(sets=tables, data=st.data(), possible=st.sampled_from([0, 13]))
def test_coverage_and_growth_of_any_subset_in_any_order(sets, data, possible):
    found = table(sets, possible)
    order = data.draw(st.lists(st.integers(0, len(sets) - 1), max_size=15)) if sets else []
    assert found.coverage(np.array(order, dtype=np.int64)) == slow.coverage(sets, order)
    assert found.growth(order).tolist() == slow.growth(sets, order)
    assert found.growth().tolist() == slow.growth(sets, range(len(sets)))
    assert found.coverage() == slow.coverage(sets, range(len(sets)))
    mask = np.isin(np.arange(len(sets)), order)
    assert found.coverage(mask) == slow.coverage(sets, order)
    assert found.only(mask).coverage() == slow.coverage(sets, order)


@given(sets=tables, count=st.none() | st.integers(0, 5))
def test_greedy_takes_what_adds_most(sets, count):
    rows, gains = table(sets).greedy(count)
    assert list(zip(rows.tolist(), gains.tolist(), strict=True)) == slow.greedy(sets, count)


@given(sets=tables, more=tables, data=st.data())
def test_merge_puts_chosen_inputs_below(sets, more, data):
    chosen = data.draw(st.lists(st.sampled_from(range(len(more))), unique=True)) if more else []
    merged = table(sets).merge(table(more), np.array(chosen, dtype=np.int64))
    expected = [*sets, *(more[row] for row in chosen)]
    assert len(merged) == len(expected)
    assert merged.growth().tolist() == slow.growth(expected, range(len(expected)))
    assert merged.total == 13


@given(sets=tables)
def test_inputs_per_item(sets):
    found = table(sets)
    expected = [sum(key in one for one in sets) for key in found.keys.tolist()]
    assert found.item_counts.tolist() == expected
    assert found.exclusive == all(len(one) <= 1 for one in sets)


def test_items_given_in_any_order_of_rows_and_in_parts():
    first = RowItems.of(np.array([1, 0, 1]), np.array([5, 7, 6]), count=3)
    second = RowItems.one_each(np.array([7, 8]), np.array([True, False]))
    found = Incidence.joined([first, second])
    sets = [{7}, {5, 6}, set(), {7}, set()]
    assert found.growth().tolist() == slow.growth(sets, range(5))


def test_hashes_that_are_negative_and_large():
    far = np.array([-(2**62), 2**62, -(2**62)])
    found = Incidence.joined([RowItems.one_each(far, np.ones(3, dtype=bool))])
    assert found.keys.tolist() == [-(2**62), 2**62]
    assert found.growth().tolist() == [1, 2, 2]


@pytest.mark.parametrize("rows", [[3], np.array([True])])
def test_inputs_that_are_not_there_are_refused(rows):
    with pytest.raises(SettingsError):
        table([{1}, {2}]).coverage(rows)
