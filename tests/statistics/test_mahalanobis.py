from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance.statistics.mahalanobis import MahalanobisDistances, calibrated_upper
from tests.oracles.reference_mdsc import mdsa
from tests.statistics.surprise_cases import moments_of, rows_of, same_in_any_batch

pytestmark = pytest.mark.filterwarnings("error")

INVERSES = ("ridge", "pinv")


def agrees(values, classes, inputs, labels, inverse, rtol=1e-9):
    distances = MahalanobisDistances(moments_of(values, classes), inverse)
    found = distances.distances(inputs, np.asarray(labels, np.int64))
    np.testing.assert_allclose(
        found, mdsa(values, classes, inputs, labels, inverse), rtol=rtol, atol=1e-12
    )
    return found


@pytest.mark.parametrize("inverse", INVERSES)
@settings(max_examples=40, deadline=None)
@given(st.integers(40, 90), st.integers(1, 6), st.integers(0, 999))
def test_it_is_the_slow_twin(inverse, count, width, seed):
    generator = np.random.default_rng(seed)
    values, classes = rows_of(generator, count, width)
    values += generator.normal(size=values.shape).astype(np.float32)  # no dead neuron
    inputs, labels = rows_of(generator, 20, width, classes=4)
    agrees(values, classes, inputs, labels, inverse)


@pytest.mark.parametrize("inverse", INVERSES)
@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.integers(1, 6), st.integers(0, 999))
def test_it_is_the_slow_twin_for_few_rows_and_dead_neurons(inverse, count, width, seed):
    """Ill conditioned (up to d / 1e-6 with a ridge): fewer digits are common to both."""
    generator = np.random.default_rng(seed)
    values, classes = rows_of(generator, count, width)
    values = np.round(values, 1)
    values[classes == 1, 0] = 0
    inputs, labels = rows_of(generator, 20, width, classes=4)
    agrees(values, classes, inputs, labels, inverse, rtol=1e-5)


@pytest.mark.parametrize(("inverse", "surprising"), [("ridge", True), ("pinv", False)])
def test_a_neuron_that_is_dead_in_the_reference(inverse, surprising):
    generator = np.random.default_rng(0)
    values = generator.normal(size=(100, 3))
    values[:, 1] = 0
    inputs = np.zeros((1, 3))
    inputs[0, 1] = 5
    (found,) = agrees(values, np.zeros(100, np.int64), inputs, [0], inverse)
    assert (found > 1000) == surprising


@pytest.mark.parametrize(("inverse", "expected"), [("ridge", [np.nan] * 2), ("pinv", [0.0] * 2)])
@pytest.mark.parametrize("count", [1, 3])
def test_rows_that_are_all_the_same_have_no_distance(inverse, expected, count):
    values = np.full((count, 2), 0.5)
    inputs = np.array([[0.5, 0.5], [1.0, 2.0]])
    found = agrees(values, np.zeros(count, np.int64), inputs, [0, 0], inverse)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("inverse", INVERSES)
def test_unknown_classes_no_rows_and_values_that_overflow(inverse):
    distances = MahalanobisDistances(moments_of(np.eye(3), np.zeros(3)), inverse)
    assert np.isnan(distances.distances(np.eye(3), np.array([5, -1, 9]))).all()
    assert distances.distances(np.zeros((0, 3)), np.zeros(0, np.int64)).shape == (0,)
    huge = moments_of(np.array([[1e200], [-1e200], [0.0]]), np.zeros(3))
    found = MahalanobisDistances(huge, inverse).distances(np.ones((1, 1)), np.zeros(1, int))
    assert np.isnan(found).all()


@pytest.mark.parametrize("inverse", INVERSES)
def test_denormal_variances_do_not_fail(inverse):
    values = np.array([[1e-160, 0.0], [-1e-160, 0.0], [3e-160, 1e-161]])
    found = MahalanobisDistances(moments_of(values, np.zeros(3)), inverse).distances(
        values, np.zeros(3, np.int64)
    )
    assert found.shape == (3,)


@pytest.mark.parametrize("width", [1, 5, 84, 300])
@pytest.mark.parametrize("inverse", INVERSES)
def test_a_value_does_not_depend_on_the_batch(width, inverse):
    generator = np.random.default_rng(width)
    values, classes = rows_of(generator, 700, width)
    inputs, labels = rows_of(generator, 100, width, classes=4)
    distances = MahalanobisDistances(moments_of(values, classes), inverse)
    assert same_in_any_batch(distances.distances, inputs, labels)


def test_the_upper_end_is_twice_the_999th_thousandth():
    values = np.arange(1001.0)
    assert calibrated_upper(values) == 2 * 999.0
    assert calibrated_upper(np.concatenate([values, [np.nan, np.inf]])) == 2 * 999.0
    assert calibrated_upper(np.array([3.0])) == 6.0
    assert calibrated_upper(np.array([np.nan])) == calibrated_upper(np.zeros(0)) == 0.0
