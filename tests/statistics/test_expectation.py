from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance.statistics.expectation import (
    random_suite,
    random_suites,
    uncovered_probability,
)
from tests.oracles.reference_expectation import all_suites, moments, percentile, simulate

# Reference rows per combination: LeNet-5 of the DeepImportance paper on the 60,000 MNIST training
# images, layer fc2, m = 6 (90 of 96 combinations).
LENET5 = [
    5979, 5123, 3950, 3684, 3574, 2918, 2466, 2451, 2142, 2065, 2029, 1933, 1779, 1363, 1361, 1069,
    973, 972, 966, 913, 851, 800, 783, 775, 699, 610, 556, 516, 497, 362, 339, 335, 331, 294, 288,
    287, 278, 274, 243, 241, 237, 205, 159, 146, 138, 136, 130, 120, 119, 117, 116, 103, 92, 92,
    85, 81, 67, 63, 57, 56, 48, 44, 41, 36, 34, 33, 33, 33, 30, 30, 28, 28, 23, 23, 22, 20, 16, 15,
    15, 14, 11, 6, 6, 6, 6, 3, 3, 2, 2, 1,
]  # fmt: skip


def counts_of(*counts):
    return np.array(counts, dtype=np.int64)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.data())
def test_mean_and_sd_equal_the_enumeration_of_all_suites(counts, data):
    inputs = data.draw(st.integers(0, sum(counts)))
    mean, variance = moments(all_suites(counts, inputs))
    found = random_suite(np.array(counts), inputs)
    assert found.expected == pytest.approx(float(mean), abs=1e-12)
    assert found.sd**2 == pytest.approx(float(variance), abs=1e-12)
    assert found.comparable


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=2, max_size=5), st.data())
def test_percentiles_of_tiny_references_are_within_one_of_the_enumeration(counts, data):
    inputs = data.draw(st.integers(0, sum(counts)))
    suites = all_suites(counts, inputs)
    found = random_suite(np.array(counts), inputs)
    assert abs(found.low - percentile(suites, Fraction(1, 100))) <= 1
    assert abs(found.high - percentile(suites, Fraction(99, 100))) <= 1
    assert min(suites) <= found.low <= found.high <= max(suites)


@pytest.mark.parametrize("inputs", [20, 50, 200, 1000, 3000])
def test_a_real_profile_agrees_with_simulated_suites(inputs):
    suites = 3000
    covered = simulate(LENET5, inputs, suites, seed=inputs)
    found = random_suite(np.array(LENET5), inputs)
    assert found.expected == pytest.approx(covered.mean(), rel=0.01)
    assert found.sd == pytest.approx(covered.std(), rel=0.05)
    assert found.low == pytest.approx(np.quantile(covered, 0.01, method="inverted_cdf"), rel=0.03)
    assert found.high == pytest.approx(np.quantile(covered, 0.99, method="inverted_cdf"), rel=0.03)


@pytest.mark.parametrize("inputs", [20, 50, 200, 1000])
def test_a_long_tailed_profile_agrees_with_simulated_suites(inputs):
    # Zipf-like: two thousand combinations, most of them in very few rows, as m = 12 gives.
    counts = np.maximum(8000 // np.arange(1, 2001), 1)
    covered = simulate(counts.tolist(), inputs, 2000, seed=inputs)
    found = random_suite(counts, inputs)
    assert found.expected == pytest.approx(covered.mean(), rel=0.01)
    assert found.low == pytest.approx(np.quantile(covered, 0.01, method="inverted_cdf"), rel=0.03)


def test_one_input_covers_one_combination():
    found = random_suite(np.array(LENET5), 1)
    assert found.expected == pytest.approx(1.0, abs=1e-9)
    assert found.sd == pytest.approx(0.0, abs=1e-4)
    assert (found.low, found.high) == (1, 1)


def test_no_input_covers_nothing():
    found = random_suite(counts_of(3, 2), 0)
    assert (found.expected, found.sd, found.low, found.high) == (0.0, 0.0, 0, 0)


def test_all_rows_cover_all_that_is_reached():
    found = random_suite(counts_of(3, 2, 1), 6)
    assert (found.expected, found.sd, found.low, found.high) == (3.0, 0.0, 3, 3)
    assert found.comparable


def test_more_inputs_than_rows_are_not_comparable():
    found = random_suite(counts_of(3, 2, 1), 7)
    assert (found.expected, found.low, found.high, found.comparable) == (3.0, 3, 3, False)
    assert found.note == "not comparable: 7 inputs, but only 6 reference rows"


def test_an_empty_reference_is_not_comparable():
    assert random_suite(counts_of(), 0).expected == 0.0
    assert not random_suite(counts_of(), 1).comparable


@pytest.mark.parametrize(
    ("rows", "inputs"), [(60_000, 1), (60_000, 1000), (60_000, 59_000), (50, 20)]
)
def test_the_hypergeometric_probability_is_exact(rows, inputs):
    sizes = np.array([0, 1, 2, 7, 31, 49, 5000])
    sizes = sizes[sizes <= rows]
    expected = [
        float(Fraction(math.comb(rows - size, inputs), math.comb(rows, inputs)))
        for size in sizes.tolist()
    ]
    assert uncovered_probability(sizes, rows, inputs) == pytest.approx(
        expected, rel=1e-11, abs=1e-300
    )


def test_independent_references_add_up():
    one, two = counts_of(5, 3, 1), counts_of(2, 2, 2, 2)
    both = random_suites([(one, 4), (two, 3)])
    a, b = random_suite(one, 4), random_suite(two, 3)
    assert both.expected == pytest.approx(a.expected + b.expected)
    assert both.sd**2 == pytest.approx(a.sd**2 + b.sd**2)
    assert random_suites([(one, 4), (two, 9)]).note.startswith("not comparable: 9 inputs")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 300), min_size=1, max_size=50), st.data())
def test_always_ordered_and_within_what_is_possible(counts, data):
    inputs = data.draw(st.integers(1, sum(counts)))
    found = random_suite(np.array(counts), inputs)
    assert 1 <= found.low <= found.high <= min(inputs, len(counts))
    assert 1 - 1e-9 <= found.expected <= min(inputs, len(counts)) + 1e-9
    assert math.isfinite(found.sd)
