from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance.clustering.partition import best_partitions
from tests.oracles.reference_kmeans import (
    best_inertia,
    best_inertia_of_any_assignment,
    contiguous_clusterings,
    inertia,
)

# Eighths are exact in binary, and few of them make ties likely.
eighths = st.integers(-40, 40).map(lambda i: i / 8)
numbers = st.floats(-1e6, 1e6, allow_subnormal=False)


def partition(values, ks):
    distinct, counts = np.unique(np.array(values, dtype=np.float64), return_counts=True)
    return (
        distinct,
        counts,
        best_partitions(distinct, counts, [k for k in ks if k <= len(distinct)]),
    )


def total_squares(values):
    return float(inertia([values]))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(eighths, numbers), min_size=1, max_size=9))
def test_inertia_is_the_best_of_all_contiguous_clusterings(values):
    _, _, found = partition(values, range(1, 6))
    for result in found:
        best = float(best_inertia(values, len(result.centroids)))
        assert result.inertia == pytest.approx(best, rel=1e-9, abs=1e-13 * total_squares(values))


@settings(max_examples=30, deadline=None)
@given(st.lists(eighths, min_size=3, max_size=6, unique=True))
def test_no_assignment_at_all_is_better(values):
    _, _, found = partition(values, (2, 3))
    for result in found:
        best = float(best_inertia_of_any_assignment(values, len(result.centroids)))
        assert result.inertia == pytest.approx(best, rel=1e-9, abs=1e-13 * total_squares(values))


@settings(max_examples=100, deadline=None)
@given(st.lists(eighths, min_size=4, max_size=10))
def test_centroids_sizes_and_cuts_describe_one_clustering(values):
    distinct, counts, found = partition(values, range(1, 6))
    for result in found:
        bounds = [0, *result.cuts.tolist(), len(distinct)]
        assert bounds == sorted(set(bounds))
        for group, (low, high) in enumerate(pairwise(bounds)):
            repeated = np.repeat(distinct[low:high], counts[low:high])
            assert result.sizes[group] == len(repeated)
            assert result.centroids[group] == pytest.approx(repeated.mean(), abs=1e-12)


def test_of_equal_partitions_the_smallest_cut_is_taken():
    assert partition([-1, 0, 1], [2])[2][0].cuts.tolist() == [1]
    candidates = [g for g in contiguous_clusterings([-1, 0, 1], 2) if inertia(g) == 0.5]
    assert len(candidates) == 2


def test_asking_for_several_k_gives_what_each_gives_alone():
    values = np.random.default_rng(0).normal(size=500)
    _, _, together = partition(values, range(1, 10))
    for k, result in enumerate(together, start=1):
        alone = partition(values, [k])[2][0]
        assert alone.cuts.tolist() == result.cuts.tolist()
        assert alone.inertia == result.inertia


@pytest.mark.parametrize("offset", [0.0, 1e6, -1e6, 1e9])
def test_an_offset_changes_nothing(offset):
    # Multiples of 2**-22 with spread 1e-3 stay exact when 1e9 is added.
    steps = np.random.default_rng(1).integers(0, 4096, 300)
    values = steps * 2.0**-22
    plain = partition(values, range(2, 6))[2]
    moved = partition(values + offset, range(2, 6))[2]
    for a, b in zip(plain, moved, strict=True):
        assert a.cuts.tolist() == b.cuts.tolist()
        assert b.inertia == pytest.approx(a.inertia, rel=1e-9)


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1.0, 1e30, 1e140])
def test_any_scale_finds_the_same_cuts(scale):
    values = np.random.default_rng(2).normal(size=200)
    assert (
        partition(values * scale, [3])[2][0].cuts.tolist()
        == partition(values, [3])[2][0].cuts.tolist()
    )


def test_one_far_outlier_does_not_blur_the_rest():
    rest = np.concatenate([np.zeros(500), np.ones(500)]) + np.arange(1000) * 1e-6
    values = np.append(rest, 1e8)
    assert partition(values, [3])[2][0].cuts.tolist() == [500, 1000]
