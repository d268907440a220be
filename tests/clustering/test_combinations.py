from __future__ import annotations

import json
import time
from math import prod

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance.clustering.combinations import (
    CombinationSpace,
    choose_m,
    combination_keys,
    unique_combinations,
)
from pytest_deepimportance.clustering.kmeans import Clustering, cluster_activations
from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.data.layer_values import LayerValues
from pytest_deepimportance.errors import IdcError, LayerError, SettingsError
from tests.oracles.reference_idc import combination


def with_centroids(*centroids):
    values = np.array(centroids, dtype=np.float64)
    return Clustering(values, len(values), None, False, len(values), 0.0, (1,) * len(values))


def space_of(neurons, clusterings, m=None, **others):
    return CombinationSpace(
        name="space", scope="layer", layer="fc", class_index=None, neurons=tuple(neurons),
        scores=tuple(float(len(neurons) - i) for i in range(len(neurons))),
        clusterings=tuple(clusterings), m=m or len(neurons), m_from="as asked", **others,
    )  # fmt: skip


def batch_of(**layers):
    rows = len(next(iter(layers.values())))
    wrapped = {}
    for name, values in layers.items():
        tensor = torch.as_tensor(values)
        wrapped[name] = LayerValues(tensor, tensor.amin(1), tensor.amax(1))
    unknown = np.full(rows, -1, dtype=np.int64)
    return ActivationBatch(wrapped, np.arange(rows, dtype=np.uint64), unknown, unknown)


class TestEncode:
    @settings(max_examples=100, deadline=None)
    @given(st.data())
    def test_equals_the_definition_in_any_column_order(self, data):
        width = data.draw(st.integers(1, 5))
        chosen = data.draw(st.permutations(range(width)))[: data.draw(st.integers(1, width))]
        centroids = [
            sorted(data.draw(st.sets(st.integers(-8, 8), min_size=1, max_size=4))) for _ in chosen
        ]
        cell = st.integers(-80, 80).map(lambda i: i / 8)
        row = st.lists(cell, min_size=width, max_size=width)
        rows = data.draw(st.lists(row, min_size=1, max_size=10))
        space = space_of([("fc", i) for i in chosen], [with_centroids(*c) for c in centroids])
        codes = space.encode(batch_of(fc=np.array(rows, dtype=np.float32)))
        expected = [combination([row[i] for i in chosen], centroids) for row in rows]
        assert [tuple(code) for code in codes.tolist()] == expected

    def test_is_assign_for_each_column(self):
        generator = np.random.default_rng(0)
        values = generator.normal(size=(500, 4)).astype(np.float32)
        clusterings = [cluster_activations(values[:, i], k) for i, k in enumerate((2, 3, 5, 1))]
        space = space_of([("fc", i) for i in range(4)], clusterings)
        codes = space.encode(batch_of(fc=values))
        columns = [c.assign(values[:, i]) for i, c in enumerate(clusterings)]
        assert codes.dtype == np.uint8
        assert np.array_equal(codes, np.stack(columns, axis=1))

    def test_neurons_of_several_layers_keep_their_order(self):
        space = space_of(
            [("b", 1), ("a", 0), ("b", 0)], [with_centroids(0, 1), with_centroids(0, 2), with_centroids(0, 4)],
        )  # fmt: skip
        batch = batch_of(a=[[2.0, 9.0]], b=[[4.0, 0.0], [0.0, 1.0]][:1])
        assert space.encode(batch).tolist() == [[0, 1, 1]]

    def test_a_layer_the_pass_did_not_reach(self):
        space = space_of([("fc", 0)], [with_centroids(0, 1)])
        batch = batch_of(conv=[[1.0]])
        assert not space.visited(batch)
        with pytest.raises(LayerError, match="needs layer 'fc', which this pass did not reach"):
            space.encode(batch)

    def test_a_narrower_layer_than_the_profile_knows(self):
        space = space_of([("fc", 5)], [with_centroids(0, 1)])
        with pytest.raises(LayerError, match="neuron 5 of layer 'fc', which has 2 neurons"):
            space.encode(batch_of(fc=[[1.0, 2.0]]))

    def test_a_value_that_is_not_finite_names_the_layer(self):
        space = space_of([("fc", 0)], [with_centroids(0, 1)])
        with pytest.raises(IdcError, match="layer 'fc': 1 NaN"):
            space.encode(batch_of(fc=[[float("nan")]]))
        assert space.encode(batch_of(fc=[[1.0, float("nan")]])).tolist() == [[1]]

    def test_ten_thousand_rows_take_milliseconds(self):
        values = np.random.default_rng(0).normal(size=(10_000, 84)).astype(np.float32)
        clusterings = [cluster_activations(values[:2000, i], 4) for i in range(12)]
        space = space_of([("fc", 7 * i) for i in range(12)], clusterings)
        batch = batch_of(fc=values)
        times = []
        for _ in range(5):
            begin = time.process_time()
            space.encode(batch)
            times.append(time.process_time() - begin)
        # 2 ms where this was written; the bound leaves room for a slow, busy machine.
        assert min(times) < 0.05


class TestBoundaryDepth:
    def test_is_the_smallest_m_with_a_value_near_a_boundary(self):
        space = space_of([("fc", i) for i in range(3)], [with_centroids(0, 10)] * 3)
        values = np.array(
            [[1.0, 5.0, 5.0], [5.0005, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 9.0, 4.9995]]
        )
        assert space.boundary_depth(values).tolist() == [2, 1, 0, 3]

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.floats(-3, 3), min_size=1, max_size=20))
    def test_agrees_with_near_boundary_of_each_neuron(self, values):
        clusterings = [with_centroids(-1, 1), with_centroids(0.0), with_centroids(0, 1, 2)]
        space = space_of([("fc", i) for i in range(3)], clusterings)
        matrix = np.array([values] * 3).T
        near = np.stack([c.near_boundary(values, 0.1) for c in clusterings], axis=1)
        expected = [int(row.argmax()) + 1 if row.any() else 0 for row in near]
        assert space.boundary_depth(matrix, 0.1).tolist() == expected


class TestSpace:
    def test_totals_are_exact_integers_beyond_64_bits(self):
        space = space_of([("fc", i) for i in range(100)], [with_centroids(0, 1, 2)] * 100, m=5)
        assert space.total() == 3**5
        assert space.total(100) == 3**100
        assert space.total(1) == 3

    def test_json_keeps_everything(self):
        clusterings = [
            cluster_activations(np.random.default_rng(i).normal(size=50)) for i in range(2)
        ]
        space = space_of([("fc", 3), ("fc", 1)], clusterings, m=1, class_name="seven")
        text = json.dumps(space.to_json())
        assert CombinationSpace.from_json(json.loads(text)) == space


@st.composite
def coded(draw):
    ks = draw(st.lists(st.integers(1, 5), min_size=1, max_size=6))
    row = st.tuples(*(st.integers(0, k - 1) for k in ks))
    rows = draw(st.lists(row, min_size=1, max_size=30))
    return np.array(rows, dtype=np.uint8), ks


class TestKeys:
    @settings(max_examples=100, deadline=None)
    @given(coded())
    def test_equal_keys_are_equal_combinations_in_the_same_order(self, case):
        codes, ks = case
        keys = combination_keys(codes, ks).tolist()
        rows = [tuple(row) for row in codes.tolist()]
        assert len(set(keys)) == len(set(rows))
        assert [rows[i] for i in np.argsort(keys, kind="stable")] == sorted(rows)
        assert max(keys) < prod(ks)

    def test_totals_above_2_to_the_62_still_tell_combinations_apart(self):
        codes = np.zeros((3, 70), dtype=np.uint8)
        codes[0, 0] = codes[2, 69] = 1
        keys = combination_keys(codes, [2] * 70)
        assert len(set(keys.tolist())) == 3
        unique, inverse, counts = unique_combinations(codes[[0, 1, 2, 2]], [2] * 70)
        assert [tuple(row) for row in unique.tolist()] == sorted(tuple(r) for r in codes.tolist())
        assert inverse.tolist() == [2, 0, 1, 1]
        assert counts.tolist() == [1, 2, 1]

    @pytest.mark.parametrize("width", [62, 63])
    def test_the_switch_at_2_to_the_62_keeps_the_order(self, width):
        codes = np.eye(width, dtype=np.uint8)
        unique, inverse, _ = unique_combinations(codes, [2] * width)
        assert np.array_equal(unique, codes[::-1])
        assert np.array_equal(unique[inverse], codes)

    @settings(max_examples=100, deadline=None)
    @given(coded())
    def test_unique_combinations_equal_a_dictionary(self, case):
        codes, ks = case
        rows = [tuple(row) for row in codes.tolist()]
        unique, inverse, counts = unique_combinations(codes, ks)
        assert [tuple(row) for row in unique.tolist()] == sorted(set(rows))
        assert counts.tolist() == [rows.count(row) for row in sorted(set(rows))]
        assert np.array_equal(unique[inverse], codes)

    def test_no_rows(self):
        unique, inverse, counts = unique_combinations(np.zeros((0, 3), dtype=np.uint8), [2, 2, 2])
        assert (unique.shape, inverse.shape, counts.shape) == ((0, 3), (0,), (0,))


class TestChooseM:
    def test_auto_is_6_with_ten_rows_per_combination(self):
        m, sentence = choose_m([2, 2, 2, 2, 2, 3, 3, 2], 60_000, "auto")
        assert m == 6
        assert sentence == "auto: 60,000 reference rows hold 625 per combination"

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.integers(1, 4), min_size=1, max_size=12), st.integers(0, 100_000))
    def test_auto_is_the_largest_up_to_6_that_the_rows_allow(self, ks, rows):
        m, sentence = choose_m(ks, rows, "auto")
        fitting = [n for n in range(1, min(6, len(ks)) + 1) if prod(ks[:n]) <= rows / 10]
        assert m == max(fitting, default=1)
        assert sentence.startswith("auto: ")

    def test_auto_says_from_where_it_was_lowered(self):
        m, sentence = choose_m([4, 4, 4, 4, 4, 4], 1_437, "auto")
        assert m == 3
        assert (
            "lowered from 6, whose 4,096 combinations would share 1,437 reference rows" in sentence
        )

    def test_auto_in_a_narrow_layer_and_with_hardly_any_rows(self):
        assert choose_m([2, 2], 1000, "auto") == (2, "auto: all 2 neurons there are")
        assert choose_m([3, 2], 12, "auto")[0] == 1
        assert "even one neuron has fewer than 10 of 12" in choose_m([3, 2], 12, "auto")[1]

    def test_a_number_is_taken_as_asked_or_clipped_with_a_sentence(self):
        assert choose_m([2] * 12, 10, 9) == (9, "as asked")
        assert choose_m([2] * 4, 10, 9) == (4, "lowered from 9: there are only 4 neurons")
        assert choose_m([2] * 4, 10, 9, width=4)[0] == 4

    def test_a_number_beyond_the_profile_is_refused(self):
        with pytest.raises(SettingsError, match="clusters for 12 of 84 neurons"):
            choose_m([2] * 12, 10, 20, width=84)
        with pytest.raises(SettingsError, match="m is 0"):
            choose_m([2] * 12, 10, 0)
