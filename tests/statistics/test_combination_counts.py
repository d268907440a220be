from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance.errors import ProfileError
from pytest_deepimportance.statistics.combination_counts import (
    CombinationCounter,
    CombinationCounts,
    Missing,
)

WIDTH = 3
row = st.tuples(
    st.tuples(*[st.integers(0, 2)] * WIDTH), st.integers(-1, 2), st.booleans()
)  # codes, class, fitted
tables = st.lists(row, max_size=40)


def arrays(rows, indices=None):
    codes = np.array([codes for codes, _, _ in rows], dtype=np.uint8).reshape(-1, WIDTH)
    classes = np.array([c for _, c, _ in rows], dtype=np.int64)
    fitted = np.array([f for _, _, f in rows], dtype=bool)
    return codes, classes, fitted, np.arange(len(rows)) if indices is None else np.array(indices)


def counts_of(rows, indices=None):
    return CombinationCounts.from_rows(*arrays(rows, indices))


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


@settings(max_examples=100, deadline=None)
@given(tables, st.integers(1, WIDTH))
def test_a_prefix_equals_counting_the_prefix(rows, m):
    prefix = counts_of(rows).prefix(m)
    combos = [codes[:m] for codes, _, _ in rows]
    expected = sorted(set(combos))
    assert [tuple(c) for c in prefix.codes.tolist()] == expected
    assert prefix.counts.tolist() == [combos.count(c) for c in expected]
    assert prefix.reach == len(expected)
    assert prefix.rows == len(rows)
    assert prefix.fit_reached == len({codes[:m] for codes, _, fitted in rows if fitted})
    assert prefix.first_index.tolist() == [combos.index(c) for c in expected]
    assert prefix.class_rows == dict(sorted(Counter(c for _, c, _ in rows if c >= 0).items()))


@settings(max_examples=100, deadline=None)
@given(tables, st.integers(1, WIDTH), st.lists(st.tuples(*[st.integers(0, 2)] * WIDTH), max_size=6))
def test_exercised_rows_equal_a_loop(rows, m, suite):
    prefix = counts_of(rows).prefix(m)
    seen = {codes[:m] for codes in suite}
    codes = np.array([c[:m] for c in suite], dtype=np.uint8).reshape(-1, m)
    found = prefix.exercise(codes)
    hits = [(codes[:m] in seen, c) for codes, c, _ in rows]
    assert found.rows == sum(hit for hit, _ in hits)
    assert found.reached == len(seen & {codes[:m] for codes, _, _ in rows})
    assert found.share == prefix.share(codes) == (found.rows / len(rows) if rows else 0.0)
    assert found.classes == {
        c: (sum(hit for hit, own in hits if own == c), sum(own == c for _, own in hits))
        for c in sorted({c for _, c in hits if c >= 0})
    }


def test_missing_lists_the_largest_gap_first_with_its_main_class():
    rows = (
        [((0, 0, 0), 1, True)] * 5
        + [((0, 0, 1), 2, True)] * 4
        + [((0, 0, 1), 0, False)] * 3
        + [((2, 2, 2), -1, True)] * 6
    )
    prefix = counts_of(rows).prefix(3)
    exercised = prefix.exercise(np.array([[0, 0, 0]], dtype=np.uint8))
    assert prefix.missing(exercised, 5) == (
        Missing((0, 0, 1), 7, 2, 4, 5),
        Missing((2, 2, 2), 6, None, 0, 12),
    )
    assert prefix.missing(exercised, 1)[0].rows == 7
