from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance.statistics.neighbours import NeighbourSearch, nearest

pytestmark = pytest.mark.filterwarnings("error")


def exhaustive(queries, points):
    """As the slow twin of DSA: the first of the smallest distances, in double precision."""
    queries, points = queries.astype(np.float64), points.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        rows = [np.sqrt(((points - q) ** 2).sum(axis=1)) for q in queries]
    indices = [int(np.argmin(row)) for row in rows]
    return indices, [float(row[i]) for row, i in zip(rows, indices, strict=True)]


def check(queries, points):
    indices, distances = nearest(queries, points)
    assert indices.dtype == np.int64
    assert distances.dtype == np.float64
    assert (indices.tolist(), distances.tolist()) == exhaustive(queries, points)


def grid(generator, shape):
    return generator.integers(-1, 2, shape).astype(np.float32)


def relu(generator, shape):
    return np.maximum(generator.normal(size=shape), 0).astype(np.float32)


def offset(generator, shape):
    return (1e6 + generator.normal(size=shape)).astype(np.float32)


def tiny_steps(generator, shape):
    return 1 + generator.integers(0, 5, shape) * 1e-12


def outliers(generator, shape):
    return generator.normal(size=shape) * 10.0 ** generator.integers(-12, 12, (shape[0], 1))


def huge(generator, shape):
    return (generator.normal(size=shape) * 1e38).clip(-3e38, 3e38).astype(np.float32)


def small(generator, shape):
    return (generator.normal(size=shape) * 1e-38).astype(np.float32)


def constant(generator, shape):
    return np.full(shape, 0.1, dtype=np.float32)


@pytest.mark.parametrize("kind", [grid, relu, offset, tiny_steps, outliers, huge, small, constant])
@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 12), st.integers(1, 60), st.sampled_from([1, 2, 7, 40, 60]), st.integers(0, 99)
)
def test_the_winner_and_its_distance_are_those_of_an_exhaustive_search(kind, q, p, d, seed):
    generator = np.random.default_rng(seed)
    points = kind(generator, (p, d))
    queries = kind(generator, (q, d))
    queries[::3] = points[generator.integers(0, p, len(queries[::3]))]
    check(queries, points)


@pytest.mark.parametrize("size", [1e150, 1e154, 1e300, 1e308])
def test_distances_that_overflow_are_infinite(size):
    generator = np.random.default_rng(0)
    points = generator.uniform(-1, 1, (30, 4)) * size
    queries = np.concatenate([generator.uniform(-1, 1, (5, 4)) * size, points[:2]])
    assert nearest(queries, points)[1].tolist() == exhaustive(queries, points)[1]


@pytest.mark.parametrize("one", [grid, outliers, huge, constant])
@pytest.mark.parametrize("other", [relu, small, offset, tiny_steps])
def test_queries_may_be_far_from_all_points(one, other):
    generator = np.random.default_rng(0)
    check(one(generator, (20, 5)), other(generator, (50, 5)))
    check(other(generator, (20, 5)), one(generator, (50, 5)))


def test_equal_points_are_at_distance_0_and_the_first_one_wins():
    points = np.array([[3.0], [1.0], [1.0], [3.0]])
    indices, distances = nearest(np.array([[1.0], [3.0], [2.0]]), points)
    assert indices.tolist() == [1, 0, 0]
    assert distances.tolist() == [0, 0, 1]


def test_many_points_in_several_blocks():
    generator = np.random.default_rng(3)
    points = generator.normal(size=(30_000, 3)).astype(np.float32)
    check(generator.normal(size=(150, 3)).astype(np.float32), points)


@pytest.mark.parametrize("rank", [2, 30, 60])
def test_wide_rows_that_vary_in_few_directions_or_in_all(rank):
    generator = np.random.default_rng(rank)
    directions = generator.normal(size=(rank, 60))
    points = generator.normal(size=(1500, rank)) @ directions
    queries = generator.normal(size=(90, rank)) @ directions
    check(relu_of(queries), relu_of(points))
    check(queries, points)


def relu_of(rows):
    return np.maximum(rows, 0).astype(np.float32)


def test_memory_order_and_grouping_change_nothing():
    generator = np.random.default_rng(4)
    points, queries = relu(generator, (300, 33)), relu(generator, (100, 33))
    indices, distances = nearest(queries, points)
    found = nearest(np.asfortranarray(queries), np.asfortranarray(points))
    assert (found[0] == indices).all()
    assert (found[1] == distances).all()
    search = NeighbourSearch(points)
    order = generator.permutation(100)
    single = [search.nearest(queries[i : i + 1]) for i in order]
    assert [i.item() for i, _ in single] == indices[order].tolist()
    assert [d.item() for _, d in single] == distances[order].tolist()


@pytest.mark.parametrize(("start", "stop"), [(0, 10), (10, 25), (25, 40), (5, 5), (0, 39)])
def test_points_can_be_left_out(start, stop):
    generator = np.random.default_rng(5)
    points, queries = grid(generator, (40, 3)), grid(generator, (30, 3))
    left = np.delete(np.arange(40), np.s_[start:stop])
    indices, distances = NeighbourSearch(points).nearest(queries, without=slice(start, stop))
    expected, far = exhaustive(queries, points[left])
    assert indices.tolist() == left[expected].tolist()
    assert distances.tolist() == far


def test_no_point_is_an_error():
    with pytest.raises(ValueError, match="no point"):
        nearest(np.zeros((1, 2)), np.zeros((0, 2)))
    with pytest.raises(ValueError, match="no point"):
        NeighbourSearch(np.zeros((3, 2))).nearest(np.zeros((1, 2)), without=slice(0, 3))


def test_no_query_finds_nothing():
    indices, distances = nearest(np.zeros((0, 2)), np.zeros((3, 2)))
    assert (indices.shape, distances.shape) == ((0,), (0,))


def test_memory_is_bounded_even_if_all_points_are_equal():
    points = np.ones((3000, 20), dtype=np.float32)
    tracemalloc.start()
    nearest(points, points)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6
