from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pytest_deepimportance.statistics.spacing import median_spacing

numbers = st.integers(-50, 50).map(float)
rows = st.integers(2, 15).flatmap(lambda n: arrays(np.float32, (n, 3), elements=numbers))


def naive(values):
    values = values.astype(np.float64)
    nearest = [
        min(float(np.linalg.norm(a - b)) for j, b in enumerate(values) if i != j)
        for i, a in enumerate(values)
    ]
    return float(np.median(nearest))


@settings(max_examples=80, deadline=None)
@given(values=rows)
def test_the_median_distance_to_the_nearest_other_row(values):
    assert median_spacing(values) == pytest.approx(naive(values), rel=1e-12, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(values=rows, data=st.data())
def test_the_order_of_the_rows_does_not_matter(values, data):
    order = data.draw(st.permutations(range(len(values))))
    assert median_spacing(values[order]) == pytest.approx(median_spacing(values), rel=1e-12)


def test_fewer_than_two_rows_have_no_spacing():
    assert median_spacing(np.empty((0, 3))) == 0.0
    assert median_spacing(np.ones((1, 3))) == 0.0


def test_repeated_rows_lie_at_no_distance():
    assert median_spacing(np.full((6, 4), 0.1, np.float32)) == 0.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_small_distances_far_from_the_origin(dtype):
    grid = np.arange(20, dtype=dtype)[:, None] * dtype(0.25) + dtype(1e5)
    assert median_spacing(grid) == pytest.approx(0.25, rel=1e-9)
