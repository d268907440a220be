from __future__ import annotations

import pickle
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from pytest_deepimportance.clustering.kmeans import Clustering, cluster_activations
from pytest_deepimportance.errors import IdcError, SettingsError
from tests.oracles.reference_kmeans import best_inertia, contiguous_clusterings, inertia, nearest
from tests.oracles.reference_silhouette import mean_silhouette

eighths = st.integers(-40, 40).map(lambda i: i / 8)
activations = st.lists(st.floats(-100, 100, width=32), min_size=2, max_size=40)


def with_centroids(*centroids):
    values = np.array(centroids, dtype=np.float64)
    return Clustering(values, len(values), None, False, len(values), 0.0, (1,) * len(values))


class TestFit:
    @settings(max_examples=60, deadline=None)
    @given(st.lists(eighths, min_size=4, max_size=7))
    def test_k_has_the_largest_silhouette_of_the_optimal_clusterings(self, values):
        found = cluster_activations(values, min_values=2)
        scores = {}
        for k in (2, 3, 4):
            clusterings = contiguous_clusterings(values, k)
            optimal = [g for g in clusterings if inertia(g) == best_inertia(values, k)]
            for groups in optimal:
                flat = [(v, c) for c, group in enumerate(groups) for v in group]
                score = mean_silhouette([v for v, _ in flat], [c for _, c in flat])
                scores.setdefault(k, []).append(score)
        if not scores:
            assert (found.k, found.constant) == (1, True)
            return
        # Equally good clusterings may differ in silhouette; ours is one of them.
        assert any(found.silhouette == pytest.approx(s, abs=1e-9) for s in scores[found.k])
        assert all(found.silhouette >= min(own) - 1e-9 for own in scores.values())

    @pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
    @settings(max_examples=40, deadline=None)
    @given(activations, st.integers(2, 4))
    def test_never_above_scikit_learns_inertia(self, values, k):
        found = cluster_activations(values, k, min_values=1)
        if found.k < k:
            assert len(set(values)) < k
            return
        column = np.array(values)[:, None]
        other = KMeans(k, n_init=3, random_state=0).fit(column).inertia_
        assert found.inertia <= other * (1 + 1e-6) + 1e-9 * np.var(values) * len(values)

    def test_values_too_close_to_tell_apart_beside_a_far_one(self):
        found = cluster_activations([0.0, 0.0, 1.1754943508222875e-38, 1.0], 3, min_values=1)
        assert found.k == 3
        assert found.silhouette == 0  # the two near ones have no distance, the far one is alone

    def test_right_at_offset_1e6_with_spread_1e_minus_3(self):
        values = np.random.default_rng(3).uniform(0, 1e-3, 400)
        near, far = cluster_activations(values, 4), cluster_activations(values + 1e6, 4)
        # At 1e6 a float64 step is 1.2e-10, so the values themselves moved by up to 6e-11.
        assert far.inertia == pytest.approx(near.inertia, rel=1e-5)
        assert far.centroids - 1e6 == pytest.approx(near.centroids, abs=1e-8)

    @pytest.mark.parametrize("tied", [(0, 0, 2, 3, 5), (0, 2, 3, 3, 3, 3, 6)])
    def test_equal_silhouettes_choose_the_smaller_k(self, tied):
        scores = {k: cluster_activations(tied, k, min_values=2).silhouette for k in (2, 3)}
        assert scores[2] == pytest.approx(scores[3], abs=1e-12)
        assert cluster_activations(tied, min_values=2, k_range=(3, 2)).k == 2

    def test_the_order_of_the_values_and_their_type_do_not_matter(self):
        values = np.random.default_rng(0).normal(size=1000).astype(np.float32)
        shuffled = np.random.default_rng(1).permutation(values)
        expected = cluster_activations(values)
        assert cluster_activations(shuffled) == expected
        assert cluster_activations(torch.from_numpy(values)) == expected
        assert cluster_activations(values.astype(np.float64)) == expected
        assert hash(cluster_activations(shuffled)) == hash(expected)

    def test_half_precision_tensors_are_taken(self):
        values = torch.tensor([0.0, 0.0, 1.0, 1.0], dtype=torch.bfloat16, requires_grad=True)
        assert cluster_activations(values, 2, min_values=1).centroids.tolist() == [0.0, 1.0]

    def test_sizes_and_count(self):
        found = cluster_activations([0.0] * 12 + [10.0] * 3)
        assert (found.k, found.sizes, found.values) == (2, (12, 3), 15)
        assert found.inertia == 0.0
        assert found.silhouette == 1.0


class TestFewValues:
    def test_a_constant_neuron_has_one_cluster_at_its_value(self):
        found = cluster_activations([3.5] * 20)
        assert (found.k, found.constant, found.silhouette) == (1, True, None)
        assert found.centroids.tolist() == [3.5]
        assert found.sizes == (20,)

    def test_fewer_than_min_values_give_one_cluster_at_the_mean(self):
        found = cluster_activations([1.0, 2.0, 6.0])
        assert (found.k, found.constant, found.centroids.tolist()) == (1, True, [3.0])
        assert cluster_activations([1.0, 2.0, 6.0], min_values=3).k > 1

    def test_no_values_give_one_cluster_at_0(self):
        found = cluster_activations([])
        assert (found.k, found.values, found.centroids.tolist()) == (1, 0, [0.0])

    def test_dropped_zeros_do_not_count(self):
        values = [0.0] * 50 + [1.0] * 6 + [2.0] * 6
        assert cluster_activations(values, 2, zeros="drop").centroids.tolist() == [1.0, 2.0]
        assert cluster_activations(values, 2, zeros="drop").values == 12
        assert cluster_activations([0.0, -0.0] * 10, zeros="drop").values == 0

    def test_a_dropped_zero_is_still_assigned(self):
        found = cluster_activations([0.0] * 50 + [1.0] * 6 + [2.0] * 6, 2, zeros="drop")
        assert found.assign([0.0, 1.9]).tolist() == [0, 1]

    def test_a_fixed_k_is_shrunk_to_the_distinct_values(self):
        assert cluster_activations([1.0, 2.0, 3.0] * 5, 9).k == 3
        assert cluster_activations([1.0, 2.0, 3.0] * 5, k_range=(5, 6)).k == 3

    def test_k_1_is_not_called_constant(self):
        found = cluster_activations(range(20), 1)
        assert (found.k, found.constant, found.silhouette) == (1, False, None)
        assert found.assign([-5, 100]).tolist() == [0, 0]


class TestBadInput:
    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_a_value_that_is_not_finite_is_refused_and_counted(self, bad):
        with pytest.raises(IdcError, match=r"(1 NaN and 0|0 NaN and 1) infinite of 12 values"):
            cluster_activations([bad, *range(11)])
        with pytest.raises(IdcError, match="infinite of 1 values"):
            with_centroids(0, 1).assign([bad])

    @pytest.mark.parametrize("wrong", [{"k": 0}, {"k": 257}, {"k_range": (1, 2)}, {"k_range": ()}])
    def test_impossible_k_is_refused(self, wrong):
        with pytest.raises(SettingsError, match=r"k(_range)? is"):
            cluster_activations(range(20), **wrong)

    def test_unknown_zeros(self):
        with pytest.raises(SettingsError, match="zeros is 'skip'"):
            cluster_activations(range(20), zeros="skip")


class TestAssign:
    @settings(max_examples=200, deadline=None)
    @given(
        st.lists(st.integers(-20, 20), min_size=1, max_size=5, unique=True),
        st.lists(st.integers(-100, 100).map(lambda i: i / 4), min_size=1, max_size=20),
    )
    def test_nearest_centroid_and_of_equal_ones_the_lower(self, centroids, values):
        centroids = sorted(centroids)
        expected = [nearest(value, centroids) for value in values]
        assert with_centroids(*centroids).assign(values).tolist() == expected

    def test_exactly_between_goes_down(self):
        assert with_centroids(0, 10).assign([5.0, np.nextafter(5.0, 6.0)]).tolist() == [0, 1]

    def test_float32_values_are_compared_in_float64(self):
        # 0.1f is above 0.1; rounding the boundary to float32 would call them equal.
        value = np.array([0.1], dtype=np.float32)
        assert with_centroids(0.0, 0.2).assign(value).tolist() == [1]
        assert with_centroids(0.0, 0.2).assign(torch.from_numpy(value)).tolist() == [1]

    @settings(max_examples=100, deadline=None)
    @given(st.floats(-1e6, 1e6))
    def test_adjacent_floats_as_centroids_keep_their_own_value(self, lower):
        upper = np.nextafter(lower, np.inf)
        assert with_centroids(lower, upper).assign([lower, upper]).tolist() == [0, 1]

    def test_any_shape(self):
        codes = with_centroids(0, 10).assign(np.array([[1.0, 9.0], [6.0, 4.0]]))
        assert codes.tolist() == [[0, 1], [1, 0]]
        assert codes.dtype == np.uint8


class TestNearBoundary:
    def test_the_larger_centroid_is_the_scale(self):
        found = with_centroids(-1.0, 1.0)  # boundary 0, scale 1
        near = found.near_boundary([0.0, 1e-4, 1.01e-4, -1e-4, 0.5])
        assert near.tolist() == [True, True, False, True, False]

    def test_one_cluster_has_no_boundary(self):
        assert not with_centroids(3.0).near_boundary([3.0, 0.0]).any()

    def test_an_absolute_distance_can_be_asked_for(self):
        near = with_centroids(0.0, 10.0).near_boundary([5.0009, 5.002], 0.0, absolute=1e-3)
        assert near.tolist() == [True, False]


def test_json_and_pickle_keep_every_bit():
    found = cluster_activations(np.random.default_rng(0).normal(size=100))
    assert Clustering.from_json(found.to_json()) == found
    assert pickle.loads(pickle.dumps(found)) == found
    assert found != cluster_activations(np.random.default_rng(1).normal(size=100))


def test_sixty_thousand_values_take_about_a_tenth_of_a_second():
    generator = np.random.default_rng(0)
    values = np.concatenate([generator.normal(0, 1, 40_000), generator.normal(4, 1, 20_000)])
    times = []
    for _ in range(3):
        begin = time.process_time()
        cluster_activations(values)
        times.append(time.process_time() - begin)
    # 0.07 s where this was written; the bound leaves room for a slow, busy machine.
    assert min(times) < 0.5
