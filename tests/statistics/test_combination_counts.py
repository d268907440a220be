from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance.errors import ProfileError
from pytest_deepimportance.statistics.combination_counts import (
    CombinationCounter,
    CombinationCounts,
)
from tests.statistics.tables import WIDTH, arrays, counts_of, tables


def as_dict(counts):
    names = ("codes", "classes", "counts", "fit_counts", "first_index")
    return {name: getattr(counts, name).tolist() for name in names}


@settings(max_examples=100, deadline=None)
@given(tables)
def test_groups_equal_a_dictionary(rows):
    counts = counts_of(rows)
    expected = sorted({(codes, c) for codes, c, _ in rows})
    assert [
        (tuple(k), c) for k, c in zip(counts.codes.tolist(), counts.classes, strict=True)
    ] == expected
    for i, key in enumerate(expected):
        own = [n for n, (codes, c, _) in enumerate(rows) if (codes, c) == key]
        assert counts.counts[i] == len(own)
        assert counts.fit_counts[i] == sum(rows[n][2] for n in own)
        assert counts.first_index[i] == min(own)
    assert counts.rows == len(rows)


@settings(max_examples=60, deadline=None)
@given(tables, st.data())
def test_order_and_batches_do_not_matter(rows, data):
    order = data.draw(st.permutations(range(len(rows))))
    counter = CombinationCounter(WIDTH)
    start = 0
    while start < len(rows):
        stop = start + data.draw(st.integers(1, 10))
        part = order[start:stop]
        counter.add(*arrays([rows[i] for i in part], part))
        start = stop
    assert as_dict(counter.result()) == as_dict(counts_of(rows))


@settings(max_examples=60, deadline=None)
@given(tables, st.integers(0, 40))
def test_merge_is_counting_both(rows, cut):
    one = counts_of(rows[:cut], range(len(rows[:cut])))
    two = counts_of(rows[cut:], range(len(rows[:cut]), len(rows)))
    assert as_dict(one.merge(two)) == as_dict(counts_of(rows)) == as_dict(two.merge(one))


def test_the_counter_consolidates_without_losing_rows(monkeypatch):
    monkeypatch.setattr("pytest_deepimportance.statistics.combination_counts._PENDING_ROWS", 5)
    generator = np.random.default_rng(0)
    codes = generator.integers(0, 3, (200, WIDTH)).astype(np.uint8)
    classes, fitted = generator.integers(0, 3, 200), generator.random(200) < 0.5
    counter = CombinationCounter(WIDTH)
    for i in range(0, 200, 7):
        part = slice(i, i + 7)
        counter.add(codes[part], classes[part], fitted[part], np.arange(200)[part])
    whole = CombinationCounts.from_rows(codes, classes, fitted, np.arange(200))
    assert as_dict(counter.result()) == as_dict(whole)


def test_different_widths_are_not_merged():
    with pytest.raises(ProfileError, match="2 and 3 neurons"):
        CombinationCounts.empty(2).merge(CombinationCounts.empty(3))


def test_indices_may_be_left_out():
    codes = np.zeros((4, WIDTH), dtype=np.uint8)
    counts = CombinationCounts.from_rows(codes, np.zeros(4, dtype=int), np.ones(4, dtype=bool))
    assert counts.first_index.tolist() == [-1]
    assert counts.merge(CombinationCounts.empty(WIDTH)).prefix(1).first_index.tolist() == [-1]
