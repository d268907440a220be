from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance.statistics import density as module
from pytest_deepimportance.statistics.density import ClassDensities
from tests.oracles.reference_lsc import kept_columns, lsa
from tests.statistics.surprise_cases import rows_of, same_in_any_batch, traces_of

pytestmark = pytest.mark.filterwarnings("error")

SMALL = 1e-5


def agrees(values, classes, inputs, labels, threshold=SMALL, rtol=1e-9):
    traces = traces_of(values, classes)
    densities = ClassDensities(traces, threshold)
    found = densities.minus_log_density(inputs, np.asarray(labels, np.int64))
    expected = lsa(traces.values, traces.classes, inputs, labels, threshold)
    # relative, and in nats where the value is small: it is a difference of large terms
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-9)
    kept = kept_columns(traces.values, traces.classes, threshold)
    assert densities.kept.tolist() == kept
    return densities, found


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 60), st.integers(1, 5), st.sampled_from([0.0, 1e-5, 0.5, 2.0]),
    st.integers(0, 999),
)  # fmt: skip
def test_it_is_the_slow_twin(count, width, threshold, seed):
    generator = np.random.default_rng(seed)
    values, classes = rows_of(generator, count, width)
    inputs, labels = rows_of(generator, 20, width, classes=4)
    agrees(values, classes, inputs, labels, threshold)


@pytest.mark.parametrize("width", [1, 12, 40])
def test_it_is_the_slow_twin_for_wide_layers_and_far_inputs(width):
    generator = np.random.default_rng(width)
    values, classes = rows_of(generator, 600, width, dtype=np.float64)
    inputs, labels = rows_of(generator, 50, width)
    inputs[:10] *= 1000
    _, found = agrees(values, classes, inputs, labels)
    assert np.isfinite(found).all()


def test_a_large_offset_costs_no_digits():
    generator = np.random.default_rng(0)
    values = generator.normal(size=(100, 3))
    inputs = generator.normal(size=(20, 3))
    zeros, none = np.zeros(100, np.int64), np.zeros(20, np.int64)
    near = ClassDensities(traces_of(values, zeros), SMALL).minus_log_density(inputs, none)
    far = ClassDensities(traces_of(values + 1e6, zeros), SMALL)
    # the offset itself rounds the values to 1e-10
    np.testing.assert_allclose(far.minus_log_density(inputs + 1e6, none), near, rtol=1e-7)


def test_constant_columns_of_any_class_are_dropped_for_all():
    generator = np.random.default_rng(1)
    values, classes = rows_of(generator, 90, 5, dtype=np.float64, smallest=-9)
    values[:, 0] = 3.0
    values[classes == 1, 2] = 0.0
    inputs, labels = rows_of(generator, 10, 5)
    densities, _ = agrees(values, classes, inputs, labels)
    assert densities.dropped == [0, 2]


def test_a_class_of_one_row_has_no_say_and_no_density():
    generator = np.random.default_rng(2)
    values, classes = rows_of(generator, 60, 3, smallest=-9)
    classes[0] = 7
    inputs, labels = rows_of(generator, 10, 3)
    labels[:2] = 7
    densities, found = agrees(values, classes, inputs, labels)
    assert np.isnan(found[:2]).all()
    assert np.isfinite(found[2:]).all()
    assert densities.missing == [7]
    assert densities.dropped == []


@pytest.mark.parametrize("count", [1, 2, 4, 5, 6, 7])
def test_as_many_rows_as_neurons_are_too_few(count):
    generator = np.random.default_rng(count)
    values = generator.normal(size=(count, 5))
    zeros = np.zeros(count, np.int64)
    # so few rows give an ill-conditioned covariance
    _, found = agrees(values, zeros, values[:1] + 0.1, [0], rtol=1e-6)
    assert np.isfinite(found).all() == (count > 5)


def test_nothing_is_left_when_all_columns_are_dropped():
    densities, found = agrees(np.ones((9, 2)), np.zeros(9, np.int64), np.ones((3, 2)), [0, 0, 1])
    assert np.isnan(found).all()
    assert densities.dropped == [0, 1]
    assert densities.missing == [0]


def test_a_clearly_singular_covariance_gives_no_density():
    generator = np.random.default_rng(3)
    values = generator.integers(-3, 4, (50, 3)).astype(np.float64)
    values[:, 2] = values[:, 0]
    densities, found = agrees(values, np.zeros(50, np.int64), values[:5], np.zeros(5))
    assert np.isnan(found).all()
    assert (densities.missing, densities.ridged) == ([0], [])


def test_a_ridge_is_added_where_the_cholesky_factor_fails_and_reported(monkeypatch):
    generator = np.random.default_rng(4)
    values, classes = rows_of(generator, 90, 3, dtype=np.float64, smallest=-9)
    inputs, labels = rows_of(generator, 10, 3)
    plain = ClassDensities(traces_of(values, classes), SMALL).minus_log_density(inputs, labels)
    whitening, asked = module.whitening, []

    def failing(covariance):
        asked.append(covariance)
        return None if len(asked) == 1 else whitening(covariance)

    monkeypatch.setattr(module, "whitening", failing)
    densities = ClassDensities(traces_of(values, classes), SMALL)
    found = densities.minus_log_density(inputs, labels)
    assert densities.ridged == [int(labels.min())]
    added = np.diag(asked[1] - asked[0])
    np.testing.assert_allclose(added, 1e-10 * np.trace(asked[0]) / 3, rtol=1e-3)
    np.testing.assert_allclose(found, plain, rtol=1e-6)
    monkeypatch.setattr(module, "whitening", lambda _: None)
    assert ClassDensities(traces_of(values, classes), SMALL).missing == [0, 1, 2]


def test_values_that_overflow_give_no_density():
    values = np.array([[1e200], [-1e200], [0.0]])
    zeros = np.zeros(3, np.int64)
    found = ClassDensities(traces_of(values, zeros), SMALL).minus_log_density(values, zeros)
    assert np.isnan(found).all()


def test_unknown_classes_and_no_rows():
    densities = ClassDensities(traces_of(np.eye(3), np.zeros(3)), SMALL)
    assert np.isnan(densities.minus_log_density(np.eye(3), np.array([5, -1, 9]))).all()
    assert densities.minus_log_density(np.zeros((0, 3)), np.zeros(0, np.int64)).shape == (0,)
    empty = ClassDensities(traces_of(np.zeros((0, 3)), []), SMALL)
    assert np.isnan(empty.minus_log_density(np.eye(3), np.array([0, 1, 2]))).all()


@pytest.mark.parametrize("width", [1, 3, 8, 33, 84, 121])
def test_a_value_does_not_depend_on_the_batch(width):
    generator = np.random.default_rng(width)
    values, classes = rows_of(generator, 1200, width)
    inputs, labels = rows_of(generator, 100, width, classes=4)
    densities = ClassDensities(traces_of(values, classes), SMALL)
    assert same_in_any_batch(densities.minus_log_density, inputs, labels)
