from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pytest_deepimportance.statistics.spread import Spread

WIDTH = 5
numbers = st.floats(-100, 100, width=32)
rows = st.integers(0, 14).flatmap(lambda n: arrays(np.float32, (n, WIDTH), elements=numbers))


def spread_of(*parts, width=WIDTH):
    spread = Spread(width)
    for part in parts:
        spread.add(part)
    return spread


def population(values):
    values = values.astype(np.float64)
    return np.cov(values, rowvar=False, bias=True) if len(values) else np.zeros((WIDTH, WIDTH))


def close(found, wanted, values):
    size = float(np.abs(values).max(initial=0.0)) ** 2
    return found == pytest.approx(wanted, rel=1e-12, abs=1e-12 * size)


@settings(max_examples=80, deadline=None)
@given(one=rows, two=rows, three=rows)
def test_merged_parts_equal_the_whole_in_any_order_and_grouping(one, two, three):
    joined = np.concatenate([one, two, three])
    wanted = population(joined)
    for parts in ((one, two, three), (three, two, one)):
        streamed = spread_of(*parts)
        merged = spread_of(parts[0])
        merged.merge(spread_of(*parts[1:]))
        for spread in (streamed, merged):
            assert spread.rows == len(joined)
            assert close(spread.covariance(), wanted, joined)


@pytest.mark.parametrize("count", [0, 1, WIDTH - 1, WIDTH, WIDTH + 1, 3 * WIDTH])
def test_asking_for_the_covariance_changes_nothing(count):
    values = np.random.default_rng(count).normal(size=(count, WIDTH)).astype(np.float32)
    spread = spread_of(values)
    before = {name: array.tolist() for name, array in spread.to_arrays().items()}
    first = spread.covariance()
    assert {name: array.tolist() for name, array in spread.to_arrays().items()} == before
    assert spread.covariance().tolist() == first.tolist()
    spread.add(values)
    assert spread.rows == 2 * count


def test_few_rows_travel_as_rows_and_many_as_a_matrix():
    values = np.ones((WIDTH - 1, WIDTH), np.float32)
    few, many = spread_of(values), spread_of(values, values)
    assert few.to_arrays()["pending"].shape == (WIDTH - 1, WIDTH)
    assert few.to_arrays()["scatter"].size == 0
    assert len(many.to_arrays()["pending"]) == 0
    assert many.to_arrays()["scatter"].shape == (WIDTH, WIDTH)


@settings(max_examples=40, deadline=None)
@given(one=rows, two=rows)
def test_arrays_round_trip_and_go_on(one, two):
    spread = spread_of(one)
    back = Spread.from_arrays(WIDTH, spread.to_arrays())
    assert back.rows == spread.rows
    assert back.covariance().tolist() == spread.covariance().tolist()
    spread.add(two)
    back.add(two)
    assert close(back.covariance(), spread.covariance(), np.concatenate([one, two]))


def test_the_parts_and_the_rows_handed_in_stay_as_they_were():
    values = np.random.default_rng(1).normal(size=(4 * WIDTH, WIDTH))
    mine = values.copy()
    one, two = spread_of(values[: 2 * WIDTH]), spread_of(values[2 * WIDTH :])
    wanted = two.covariance().tolist()
    one.merge(two)
    one.add(values)
    assert two.covariance().tolist() == wanted
    kept = spread_of(mine[:1])
    mine[:] = 1e9
    assert kept.to_arrays()["pending"].tolist() == values[:1].tolist()


def test_one_neuron_and_single_and_double_precision():
    values = np.random.default_rng(2).normal(size=(30, 1))
    assert spread_of(values, width=1).covariance() == pytest.approx(values.var(), rel=1e-12)
    mixed = spread_of(values[:15].astype(np.float32), values[15:], width=1)
    assert mixed.covariance() == pytest.approx(values.var(), rel=1e-6)
