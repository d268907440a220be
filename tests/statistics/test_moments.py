from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pytest_deepimportance.statistics.moments import Moments

numbers = st.floats(-1000, 1000, width=32)
rows = st.integers(1, 15).flatmap(lambda n: arrays(np.float32, (n, 4), elements=numbers))


def moments_of(*parts, layer="fc"):
    moments = Moments()
    for part in parts:
        moments.update(layer, part)
    return moments


def same(one, two, size):
    """Up to rounding in relation to the values, from which deviations are differences."""
    return (
        one.rows == two.rows
        and one.mean == pytest.approx(two.mean, rel=1e-12, abs=1e-12 * size)
        and one.scatter == pytest.approx(two.scatter, rel=1e-12, abs=1e-12 * size**2 * one.rows)
    )


@settings(max_examples=80, deadline=None)
@given(one=rows, two=rows, three=rows)
def test_merged_parts_equal_the_whole_in_any_grouping(one, two, three):
    joined = np.concatenate([one, two, three])
    size = float(np.abs(joined).max())
    whole = moments_of(joined).layers["fc"]
    assert same(moments_of(one, two, three).layers["fc"], whole, size)
    for order in ((one, two, three), (three, one, two)):
        merged = moments_of(order[0])
        rest = moments_of(*order[1:])
        merged.merge(rest)
        assert same(merged.layers["fc"], whole, size)


@settings(max_examples=60, deadline=None)
@given(values=rows)
def test_the_moments_are_those_of_the_population(values):
    found = moments_of(values).layers["fc"]
    wide = values.astype(np.float64)
    assert found.rows == len(values)
    assert found.mean == pytest.approx(wide.mean(axis=0), rel=1e-12, abs=1e-9)
    assert found.deviation == pytest.approx(wide.std(axis=0), rel=1e-9, abs=1e-9)


def test_a_large_offset_costs_no_digits():
    values = np.random.default_rng(0).normal(size=(500, 3)) + 1e6
    parts = [values[i : i + 7] for i in range(0, 500, 7)]
    found = moments_of(*parts).layers["fc"]
    assert found.deviation == pytest.approx(values.std(axis=0), rel=1e-9)


def test_a_constant_neuron_deviates_by_nothing():
    found = moments_of(np.full((9, 2), 0.1), np.full((4, 2), 0.1)).layers["fc"]
    assert found.deviation == pytest.approx([0.0, 0.0], abs=1e-16)


def test_no_rows_leave_no_trace():
    moments = moments_of(np.empty((0, 4), np.float32))
    moments.merge(Moments())
    assert moments.layers == {}
    assert moments.to_arrays() == {}


def test_layers_that_only_one_part_has_are_kept():
    moments = moments_of(np.ones((3, 1)))
    moments.merge(moments_of(np.ones((5, 2)), layer="conv"))
    assert {name: moment.rows for name, moment in moments.layers.items()} == {"fc": 3, "conv": 5}


@settings(max_examples=30, deadline=None)
@given(values=rows)
def test_arrays_round_trip(values):
    moments = moments_of(values)
    moments.update("name/with/slashes", values[:, :1])
    back = Moments.from_arrays(moments.to_arrays(), moments.layers)
    assert list(back.layers) == list(moments.layers)
    for name, moment in moments.layers.items():
        own = back.layers[name]
        assert own.rows == moment.rows
        assert own.mean.tolist() == moment.mean.tolist()
        assert own.scatter.tolist() == moment.scatter.tolist()
