from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pytest_deepimportance.statistics.bounds import Bounds

numbers = st.floats(-(2.0**100), 2.0**100, width=32)
rows = st.integers(0, 12).flatmap(lambda n: arrays(np.float32, (n, 3), elements=numbers))


def bounds_of(*parts, layer="fc"):
    bounds = Bounds()
    for part in parts:
        bounds.update(layer, part)
    return bounds


def content(bounds):
    return {name: values.tolist() for name, values in bounds.to_arrays().items()}


@settings(max_examples=60, deadline=None)
@given(one=rows, two=rows)
def test_merged_parts_equal_the_whole_in_any_order(one, two):
    whole = content(bounds_of(np.concatenate([one, two])))
    assert content(bounds_of(one, two)) == whole
    for first, second in ((one, two), (two, one)):
        merged = bounds_of(first)
        merged.merge(bounds_of(second))
        assert content(merged) == whole


@settings(max_examples=60, deadline=None)
@given(values=rows.filter(len))
def test_the_bounds_are_the_extremes_in_double_precision(values):
    bounds = bounds_of(values)
    assert bounds.low["fc"].dtype == bounds.high["fc"].dtype == np.float64
    assert bounds.low["fc"].tolist() == values.min(axis=0).tolist()
    assert bounds.high["fc"].tolist() == values.max(axis=0).tolist()


def test_no_rows_leave_no_trace():
    bounds = bounds_of(np.empty((0, 3), np.float32))
    assert bounds.to_arrays() == {}
    bounds.merge(Bounds())
    assert bounds.to_arrays() == {}


def test_layers_are_kept_apart_and_new_ones_come_with_a_merge():
    bounds = bounds_of(np.array([[1.0, 2.0]]))
    bounds.merge(bounds_of(np.array([[7.0]]), layer="conv"))
    assert list(bounds.low) == ["fc", "conv"]
    assert bounds.low["conv"].tolist() == [7.0]
    assert bounds.low["fc"].tolist() == [1.0, 2.0]


def test_a_merge_leaves_the_other_part_as_it_was():
    one, two = bounds_of(np.array([[0.0]])), bounds_of(np.array([[5.0]]))
    one.merge(two)
    one.update("fc", np.array([[9.0]]))
    assert (two.low["fc"].tolist(), two.high["fc"].tolist()) == ([5.0], [5.0])


@settings(max_examples=30, deadline=None)
@given(values=rows)
def test_arrays_round_trip(values):
    bounds = bounds_of(values)
    bounds.update("name/with/slashes", np.array([[1.5]]))
    assert content(Bounds.from_arrays(bounds.to_arrays(), bounds.low)) == content(bounds)


def test_the_tolerance_is_the_larger_of_range_and_magnitude():
    bounds = bounds_of(np.array([[0.0, 1000.0, -5.0, 0.0], [10.0, 1000.0, -3.0, 0.0]]))
    found = bounds.tolerance("fc", 1e-5)
    assert found == pytest.approx([1e-4, 1e-3, 2e-5, 0.0], rel=1e-12)
    assert bounds.tolerance("fc", 0.0).tolist() == [0.0] * 4
    assert bounds.constant("fc").tolist() == [False, True, False, True]
