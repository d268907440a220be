from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pytest_deepimportance.statistics.centres import Centres

numbers = st.integers(-6, 6).map(lambda n: n / 2)
rows = st.integers(0, 40).flatmap(lambda n: arrays(np.float32, (n, 2), elements=numbers))
thresholds = st.sampled_from([0.0, 0.5, 1.0, 2.0**0.5, 2.5, 100.0])


def naive(values, threshold, squared=False):
    """The rows that are further than the threshold from every row kept before them."""
    kept = []
    for row in values.astype(np.float64):
        squares = [float(((row - centre) ** 2).sum()) for centre in kept]
        if all((s if squared else s**0.5) > threshold for s in squares):
            kept.append(row)
    return [row.tolist() for row in kept]


def digests_of(values, start=0):
    return np.arange(start, start + len(values), dtype=np.uint64)


def centres_of(values, threshold, squared=False, relative=0.0, batch=None):
    centres = Centres(threshold, squared, relative)
    step = batch or max(len(values), 1)
    for start in range(0, len(values), step):
        part = values[start : start + step]
        centres.add(part, digests_of(part, start))
    return centres


@settings(max_examples=150, deadline=None)
@given(values=rows, threshold=thresholds, squared=st.booleans(), batch=st.integers(1, 9))
def test_the_centres_are_those_of_a_naive_greedy_at_any_batch_size(
    values, threshold, squared, batch
):
    wanted = naive(values, threshold, squared)
    for size in (None, batch):
        found = centres_of(values, threshold, squared, batch=size)
        assert len(found) == len(wanted)
        assert found.rows.tolist() == wanted


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_more_rows_than_a_block_in_higher_dimensions(dtype, offset):
    values = (np.random.default_rng(3).normal(size=(700, 12)) + offset).astype(dtype)
    for threshold in (2.0, 3.5, 5.0):
        found = centres_of(values, threshold)
        assert found.rows.tolist() == naive(values, threshold)
        assert centres_of(values, threshold, batch=61).rows.tolist() == found.rows.tolist()


@settings(max_examples=60, deadline=None)
@given(one=rows, two=rows, threshold=thresholds)
def test_a_merge_adds_the_other_centres_in_their_order(one, two, threshold):
    first, second = centres_of(one, threshold), centres_of(two, threshold)
    if not len(second):
        return
    first.merge(second)
    wanted = naive(np.array([*naive(one, threshold), *naive(two, threshold)]), threshold)
    assert first.rows.tolist() == wanted


def test_at_exactly_the_threshold_a_row_is_no_new_centre():
    values = np.array([[0.0], [3.0], [3.0001], [-3.0]])
    assert centres_of(values, 3.0).rows.tolist() == [[0.0], [3.0001]]
    assert centres_of(values, 9.0, squared=True).rows.tolist() == [[0.0], [3.0001]]


def test_a_threshold_of_0_counts_distinct_rows():
    values = np.repeat(np.random.default_rng(4).normal(size=(50, 6)).astype(np.float32), 4, axis=0)
    assert len(centres_of(np.random.default_rng(5).permutation(values), 0.0)) == 50


def test_rows_within_rounding_of_the_threshold_are_named():
    values = np.array([[0.0], [1.0 + 1e-7], [5.0], [6.5]])
    found = centres_of(values, 1.0, relative=1e-6)
    assert found.near == {1}
    assert centres_of(values, 1.0).near == set()


def test_restored_centres_go_on_as_before():
    values = np.random.default_rng(6).normal(size=(120, 3)).astype(np.float32)
    whole = centres_of(values, 1.0, relative=1e-6)
    first = centres_of(values[:50], 1.0, relative=1e-6)
    again = Centres(1.0, relative=1e-6)
    again.restore(first.rows, np.array(sorted(first.near), dtype=np.uint64))
    again.add(values[50:], digests_of(values[50:], 50))
    assert again.rows.tolist() == whole.rows.tolist()


def test_enormous_values_overflow_nothing():
    values = np.array([[0.0, 0.0], [1e30, 0.0], [1e30, 1e22], [0.0, 1.0]], np.float32)
    with np.errstate(over="raise"):
        found = centres_of(values, 1e23)
    assert found.rows.tolist() == naive(values, 1e23)


def test_single_and_double_precision_may_follow_each_other():
    values = np.random.default_rng(7).normal(size=(60, 4))
    mixed = Centres(1.0)
    mixed.add(values[:30].astype(np.float32), digests_of(values[:30]))
    mixed.add(values[30:], digests_of(values[30:], 30))
    joined = np.concatenate([values[:30].astype(np.float32).astype(np.float64), values[30:]])
    assert mixed.rows.tolist() == naive(joined, 1.0)


def test_the_rows_handed_in_may_change_afterwards():
    values = np.array([[0.0], [5.0]])
    found = centres_of(values, 1.0)
    values[:] = 99.0
    assert found.rows.tolist() == [[0.0], [5.0]]
