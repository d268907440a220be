from __future__ import annotations

import numpy as np
import pytest

from pytest_deepimportance.statistics.lower_bounds import (
    DIRECTIONS,
    Gap,
    LowerBounds,
    main_directions,
)


def rows(seed, number, width):
    generator = np.random.default_rng(seed)
    return generator.normal(size=(number, width)) * np.geomspace(1, 1e-3, width)


def lengths(values):
    return np.linalg.norm(values, axis=1)


@pytest.mark.parametrize("narrow", [False, True])
def test_bounds_lie_below_the_distances_and_the_nearest_below_its_limit(narrow):
    points, queries = rows(0, 200, 64), rows(1, 50, 64)
    bounds = LowerBounds(points, lengths(points), main_directions(points) if narrow else None)
    lower = bounds.of(queries, lengths(queries), Gap(0, 0))
    squares = ((queries[:, None] - points) ** 2).sum(axis=2)
    size = lengths(queries) ** 2
    assert (lower <= squares - size[:, None] + 1e-5 * size[:, None]).all()
    some = np.arange(50)
    limits = bounds.limits(squares[some, some], lengths(queries), some)
    nearer = squares <= squares[some, some][:, None]
    assert (lower <= limits[:, None])[nearer].all()


def test_few_directions_leave_few_candidates():
    points, queries = rows(0, 1000, 64), rows(1, 50, 64)
    bounds = LowerBounds(points, lengths(points), main_directions(points))
    lower = bounds.of(queries, lengths(queries), Gap(0, 0))
    squares = ((queries[:, None] - points) ** 2).sum(axis=2)
    best = squares.argmin(axis=1)
    limits = bounds.limits(squares.min(axis=1), lengths(queries), best)
    assert (lower <= limits[:, None]).mean() < 0.01


def test_points_in_the_gap_are_left_out():
    points, queries = rows(0, 40, 3), rows(1, 5, 3)
    bounds = LowerBounds(points, lengths(points))
    everything = bounds.of(queries, lengths(queries), Gap(0, 0))
    left = bounds.of(queries, lengths(queries), Gap(10, 5))
    numbers = Gap(10, 5).points(np.arange(35))
    assert numbers.tolist() == [*range(10), *range(15, 40)]
    assert np.allclose(left, everything[:, numbers])


def test_directions_are_orthonormal_and_the_main_ones():
    points = rows(0, 500, 100)
    found = main_directions(points)
    assert found.shape == (100, DIRECTIONS)
    assert np.allclose(found.T @ found, np.eye(DIRECTIONS))
    spread = np.sort(np.linalg.svd(points, compute_uv=False))[::-1]
    assert ((points @ found) ** 2).sum() >= 0.99 * (spread[:DIRECTIONS] ** 2).sum()


@pytest.mark.parametrize("shape", [(500, 40), (10, 100), (0, 100), (500, 0)])
def test_narrow_or_few_rows_have_no_use_for_directions(shape):
    assert main_directions(np.ones(shape)) is None
