from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pytest_deepimportance.criteria.base import create
from pytest_deepimportance.criteria.idc import ImportanceDrivenCoverage
from pytest_deepimportance.statistics.expectation import random_suite
from tests.contract.provided import activations, provided
from tests.criteria.builders import batch_of, idc_of, space_of, with_centroids

EACH = {"fc:0": 20, "fc:1": 30, "fc:2": 10}


class TestDetails:
    def test_clusters_neurons_and_where_m_comes_from(self):
        space = space_of([with_centroids(0, 1), with_centroids(2), with_centroids(0, 1, 2)], m=2)
        details = idc_of(space, [(0, 0, 0)]).compute()[0].details
        assert (details["m"], details["m_from"], details["k"]) == (2, "as asked", [2, 1])
        assert details["neurons"] == [["fc", 0], ["fc", 1]]
        assert details["constant"] == [["fc", 1]]
        assert details["degenerate"] == ""

    def test_all_clusters_single_is_called_degenerate(self):
        idc = idc_of(space_of([with_centroids(1), with_centroids(2)]), [(0, 0)])
        idc.update(batch_of([(5, 5)]))
        row = idc.compute()[0]
        assert (row.covered, row.total) == (1, 1)
        assert row.details["degenerate"].startswith("degenerate: every important neuron")

    def test_inputs_near_a_boundary_are_counted_once_and_by_m(self):
        idc = idc_of(space_of([with_centroids(0, 10), with_centroids(0, 10)]), [(0, 0)])
        rows = batch_of([(5, 1), (1, 5), (1, 1), (5, 1)], digests=[7, 8, 9, 7])
        idc.update(rows)
        idc.update(rows)
        assert idc.compute()[0].details["near_boundary"] == 2
        assert idc.rows_at(1)[0].details["near_boundary"] == 1

    def test_m_beyond_the_clustered_neurons_counts_all_of_them(self):
        idc = idc_of(space_of([with_centroids(0, 1)] * 2, m=1), [(0, 0)])
        assert idc.rows_at(9)[0].total == 4

    def test_passes_that_did_not_reach_the_layer_are_counted(self):
        idc = idc_of(space_of([with_centroids(0, 1)]), [(0,)])
        idc.update(batch_of([(1.0,), (0.0,)], layer="other"))
        row = idc.compute()[0]
        assert (row.covered, row.details["not_judged_unvisited"]) == (0, 2)


class TestManySpaces:
    def test_rows_of_all_layers(self):
        idc = create("IDC", provided("all"))
        idc.update(activations(50, seed=3))
        rows = {row.key: row for row in idc.compute()}
        assert list(rows) == ["IDC", "IDC@conv", "IDC@fc"]
        parts = [rows["IDC@conv"], rows["IDC@fc"]]
        headline = rows["IDC"]
        for name in ("covered", "total", "reach", "covered_reached", "exercised_rows"):
            assert getattr(headline, name) == sum(getattr(part, name) for part in parts)
        assert headline.details["mean"] == pytest.approx(sum(p.value for p in parts) / 2)

    def test_rows_of_each_class(self):
        idc = create("IDC", provided("classes"))
        idc.update(activations(50, seed=3))
        rows = {row.key: row for row in idc.compute()}
        assert list(rows) == [
            "IDC", "IDC@fc", "IDC:0", "IDC:1", "IDC:2", "IDC@fc:0", "IDC@fc:1", "IDC@fc:2",
        ]  # fmt: skip
        assert rows["IDC"].covered == sum(rows[f"IDC:{c}"].covered for c in range(3))
        assert rows["IDC:1"].covered == rows["IDC@fc:1"].covered > 0

    def test_class_spaces_take_only_rows_of_their_true_class(self):
        parts = provided("classes")
        batch = activations(50, seed=3)
        idc = create("IDC", parts)
        idc.update(batch)
        for space in parts["spaces"]:
            own = batch.select(batch.labels == space.class_index)
            expected = {tuple(code[: space.m]) for code in space.encode(own).tolist()}
            assert idc.measure(space.name).covered == len(expected)

    def test_without_labels_classes_are_not_judged(self):
        idc = create("IDC", provided("classes"))
        batch = activations(50, seed=3)
        unlabelled = replace(batch, labels=np.full(50, -1))
        idc.update(unlabelled)
        row = idc.compute()[0]
        assert (row.judged, row.covered, row.details["not_judged_unlabelled"]) == (False, 0, 50)
        idc.update(batch)
        assert idc.compute()[0].judged

    def test_class_names_make_the_key(self):
        space = space_of([with_centroids(0, 1)], name="x", class_index=2, class_name="cat")
        keys = [row.key for row in idc_of(space, [(0,)]).compute()]
        assert keys == ["IDC", "IDC@fc", "IDC:cat", "IDC@fc:cat"]

    def test_a_space_of_all_classes_is_the_headline_beside_class_spaces(self):
        everything = space_of([with_centroids(0, 1)], name="all")
        one = space_of([with_centroids(0, 1)], name="one", class_index=0)
        counts = idc_of(everything, [(0,), (1,)]).counts["all"]
        idc = ImportanceDrivenCoverage((everything, one), {"all": counts, "one": counts})
        assert idc.compute()[0].total == 2

    def test_global_scope_has_one_row(self):
        idc = create("IDC", provided("global"))
        assert [row.key for row in idc.compute()] == ["IDC"]


class TestRandomSuite:
    def test_the_same_number_of_random_reference_rows(self):
        idc = create("IDC", provided("layer"))
        idc.update(activations(50, seed=3))
        row = idc.rows_at(inputs=50)[0]
        expected = random_suite(idc.prefix("fc").counts, 50)
        assert row.inputs == row.random.inputs == 50
        assert (row.random.expected, row.random.low) == (expected.expected, expected.low)
        assert row.random.covered == row.covered_reached
        assert row.details["ceiling"] == min(1.0, 50 / row.total)
        assert idc.ladder(inputs=50)[2].random == row.random
        assert idc.compute()[0].random is None

    def test_classes_add_up(self):
        idc = create("IDC", provided("classes"))
        rows = {row.key: row for row in idc.rows_at(inputs=EACH)}
        assert rows["IDC"].inputs == 60
        parts = [rows[f"IDC:{c}"].random for c in range(3)]
        assert rows["IDC"].random.expected == pytest.approx(sum(p.expected for p in parts))
        assert rows["IDC"].random.sd ** 2 == pytest.approx(sum(p.sd**2 for p in parts))

    def test_layers_do_not_because_they_see_the_same_inputs(self):
        idc = create("IDC", provided("all"))
        rows = {row.key: row for row in idc.rows_at(inputs=20)}
        assert rows["IDC"].random is None
        assert rows["IDC"].inputs == rows["IDC@fc"].inputs == 20
        assert rows["IDC@fc"].random is not None

    def test_class_spaces_need_their_own_number(self):
        with pytest.raises(TypeError, match="give inputs by space name"):
            create("IDC", provided("classes")).rows_at(inputs=20)
