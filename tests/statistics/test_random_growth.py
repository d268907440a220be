"""What random inputs cover, against all subsets of a few and many subsets of more."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance.statistics.incidence import Incidence, RowItems
from pytest_deepimportance.statistics.random_growth import RandomGrowth
from tests.oracles import reference_random as slow

several = st.lists(st.sets(st.integers(0, 6), max_size=4), min_size=1, max_size=7)
at_most_one = st.lists(st.sets(st.integers(0, 3), max_size=1), min_size=1, max_size=7)


def growth(sets, orders=20, seed=0):
    items = [sorted(one) for one in sets]
    flat = np.array([item for one in items for item in one], dtype=np.int64)
    counts = np.array([len(one) for one in items], dtype=np.int64)
    return RandomGrowth.of(Incidence.joined([RowItems(counts, flat)]), orders, seed)


@settings(max_examples=60, deadline=None)
@given(sets=several, data=st.data())
def test_the_mean_is_that_of_all_subsets(sets, data):
    size = data.draw(st.integers(0, len(sets)))
    mean, _ = slow.mean_and_variance(slow.all_subsets(sets, size))
    found = growth(sets).of_subsets(size)
    assert found.expected == pytest.approx(float(mean), abs=1e-9)
    assert 0 <= found.low <= found.high <= len(set().union(*sets))


@settings(max_examples=60, deadline=None)
@given(sets=at_most_one, data=st.data())
def test_without_overlap_the_spread_is_exact_also_with_inputs_that_cover_nothing(sets, data):
    size = data.draw(st.integers(0, len(sets)))
    values = slow.all_subsets(sets, size)
    mean, variance = slow.mean_and_variance(values)
    found = growth(sets)
    assert found.method == "closed form"
    expectation = found.of_subsets(size)
    assert expectation.expected == pytest.approx(float(mean), abs=1e-9)
    assert expectation.sd**2 == pytest.approx(float(variance), abs=1e-9)
    assert min(values) <= expectation.low <= expectation.high <= max(values)


def test_the_range_of_many_inputs_holds_98_of_100_random_subsets():
    generator = random.Random(1)
    # Some items are common, most are rare, as sections of neurons are.
    sets = [{int(generator.expovariate(0.02)) for _ in range(8)} for _ in range(400)]
    found = growth(sets, orders=1000)
    assert found.method == "1000 seeded orders"
    for size in (3, 20, 57, 150):
        values = slow.random_subsets(sets, size, 3000, seed=size)
        expectation = found.of_subsets(size)
        assert expectation.expected == pytest.approx(np.mean(values), rel=0.01)
        assert expectation.sd == pytest.approx(np.std(values), rel=0.1)
        outside = [not expectation.low <= value <= expectation.high for value in values]
        assert np.mean(outside) < 0.04


def test_the_range_holds_independent_samples_of_what_the_null_inputs_were_drawn_from():
    generator = random.Random(3)

    def drawn(count):
        return [{int(generator.expovariate(0.03)) for _ in range(4)} for _ in range(count)]

    outside = []
    for _ in range(40):
        found = growth(drawn(200), orders=50).expectation(90)
        others = [len(set().union(*drawn(90))) for _ in range(20)]
        outside += [not found.low <= covered <= found.high for covered in others]
    assert 0.002 < np.mean(outside) < 0.05


def test_the_seed_decides_and_nothing_else():
    sets = [{n % 7, n % 5 + 10} for n in range(60)]
    one, again, other = (growth(sets, seed=seed) for seed in (1, 1, 2))
    assert one.deviations.tolist() == again.deviations.tolist() != other.deviations.tolist()


def test_more_inputs_than_there_are_cannot_be_compared():
    for sets in ([{1}, {2}, set()], [{1, 2}, {2}, {3}]):
        found = growth(sets).expectation(4)
        assert not found.comparable
        assert "4 inputs" in found.note


def test_stored_and_read_back_it_is_the_same():
    found = growth([{1, 2}, {2, 3}, {5}])
    plain, arrays = found.to_arrays()
    again = RandomGrowth.from_arrays(plain, arrays)
    assert again.expectation(2) == found.expectation(2)
    assert again.method == found.method
