from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance.statistics.distance_ratio import DistanceRatios
from pytest_deepimportance.statistics.neighbours import NeighbourSearch
from tests.oracles.reference_dsc import dsa
from tests.statistics.surprise_cases import rows_of, same_in_any_batch, traces_of

pytestmark = pytest.mark.filterwarnings("error")


def agrees(values, classes, inputs, labels):
    """Exactly: the same neighbours, and their distances by the same operations."""
    traces = traces_of(values, classes)
    found = DistanceRatios(traces).ratios(inputs, np.asarray(labels, np.int64))
    expected = dsa(traces.values, traces.classes, inputs, labels)
    np.testing.assert_array_equal(found, expected)
    return found


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 40), st.sampled_from([1, 2, 6, 30]), st.integers(0, 999), st.booleans())
def test_it_is_the_slow_twin(count, width, seed, coarse):
    generator = np.random.default_rng(seed)
    values, classes = rows_of(generator, count, width)
    inputs, labels = rows_of(generator, 30, width, classes=4)
    if coarse:  # many ties, and rows that several classes share
        values, inputs = np.round(values), np.round(inputs)
    agrees(values, classes, inputs, labels)


def test_a_reference_row_has_no_surprise_and_shared_rows_are_judged_by_limits():
    values = np.array([[0.0], [0.0], [4.0], [8.0]])
    classes = [0, 1, 0, 1]
    found = agrees(values, classes, np.array([[4.0], [0.0], [1.0], [6.5]]), [0, 0, 0, 1])
    assert found.tolist() == [0.0, pytest.approx(np.nan, nan_ok=True), np.inf, 1.5 / 4]


def test_without_another_class_there_is_nothing_to_compare_with():
    found = agrees(np.eye(3), [2, 2, 2], np.eye(3), [2, 2, 0])
    assert np.isnan(found).all()
    ratios = DistanceRatios(traces_of(np.eye(3), [2, 2, 2]))
    assert not ratios.comparable(np.array([2, 0])).any()
    two = DistanceRatios(traces_of(np.eye(3), [2, 2, 5]))
    assert two.comparable(np.array([2, 5, 0, -1])).tolist() == [True, True, False, False]


def test_the_distance_to_other_classes_is_asked_once_per_reference_row(monkeypatch):
    generator = np.random.default_rng(0)
    values, classes = rows_of(generator, 50, 4)
    ratios = DistanceRatios(traces_of(values, classes))
    asked = []
    search = NeighbourSearch.nearest

    def counting(self, queries, **options):
        if options:
            asked.append(len(queries))
        return search(self, queries, **options)

    monkeypatch.setattr(NeighbourSearch, "nearest", counting)
    inputs, labels = rows_of(generator, 40, 4)
    first = ratios.ratios(inputs, labels)
    once = sum(asked)
    assert once <= 40
    assert (ratios.ratios(inputs, labels) == first).all()
    assert sum(asked) == once


def test_no_rows():
    empty = DistanceRatios(traces_of(np.zeros((0, 3)), []))
    assert np.isnan(empty.ratios(np.eye(3), np.array([0, 1, 2]))).all()
    some = DistanceRatios(traces_of(np.eye(3), [0, 1, 2]))
    assert some.ratios(np.zeros((0, 3)), np.zeros(0, np.int64)).shape == (0,)


@pytest.mark.parametrize("width", [1, 5, 84])
def test_a_value_does_not_depend_on_the_batch(width):
    generator = np.random.default_rng(width)
    values, classes = rows_of(generator, 300, width)
    inputs, labels = rows_of(generator, 100, width, classes=4)
    ratios = DistanceRatios(traces_of(values, classes))
    assert same_in_any_batch(ratios.ratios, inputs, labels)
