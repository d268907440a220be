from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance.clustering.combinations import CombinationSpace
from pytest_deepimportance.clustering.kmeans import Clustering, cluster_activations
from pytest_deepimportance.criteria.idc import ImportanceDrivenCoverage
from pytest_deepimportance.data.activations import ActivationBatch, LayerValues
from pytest_deepimportance.errors import ProfileError, RecordingError
from pytest_deepimportance.statistics.combination_counts import CombinationCounts
from pytest_deepimportance.statistics.expectation import random_suite
from tests.contract.provided import activations, provided
from tests.oracles import reference_idc

EACH = {"fc:0": 20, "fc:1": 30, "fc:2": 10}


def with_centroids(*centroids):
    values = np.array(centroids, dtype=np.float64)
    return Clustering(values, len(values), None, len(values) == 1, 10, 0.0, (1,) * len(values))


def space_of(clusterings, m=None, name="fc", layer="fc", class_index=None, class_name=""):
    return CombinationSpace(
        name=name, scope="layer", layer=layer, class_index=class_index,
        neurons=tuple((layer, i) for i in range(len(clusterings))),
        scores=tuple(float(-i) for i in range(len(clusterings))),
        clusterings=tuple(clusterings), m=m or len(clusterings), m_from="as asked",
        class_name=class_name,
    )  # fmt: skip


def batch_of(rows, labels=None, digests=None, layer="fc"):
    tensor = torch.tensor(rows, dtype=torch.float32)
    labels = np.full(len(rows), -1) if labels is None else np.array(labels)
    digests = np.arange(len(rows)) if digests is None else np.array(digests)
    values = LayerValues(tensor, tensor.amin(1), tensor.amax(1))
    return ActivationBatch({layer: values}, digests.astype(np.uint64), labels, labels)


def idc_of(space, reference, classes=None, fitted=None):
    classes = np.full(len(reference), -1) if classes is None else np.array(classes)
    fitted = np.ones(len(reference), dtype=bool) if fitted is None else np.array(fitted)
    codes = space.encode(batch_of(reference))
    counts = CombinationCounts.from_rows(codes, classes, fitted, np.arange(len(reference)))
    return ImportanceDrivenCoverage((space,), {space.name: counts})


class TestGolden:
    """reference/idc.md section 1.4, by hand."""

    TRAINING = ((0, 0), (0, 5), (10, 0), (10, 5))

    @pytest.fixture
    def idc(self):
        columns = zip(*self.TRAINING, strict=True)
        clusterings = [cluster_activations(column, min_values=2) for column in columns]
        assert [c.centroids.tolist() for c in clusterings] == [[0.0, 10.0], [0.0, 5.0]]
        return idc_of(space_of(clusterings), self.TRAINING)

    def test_50_percent_then_75(self, idc):
        idc.update(batch_of([(1, 1), (9, 1), (9, 2)]))
        row = idc.compute()[0]
        assert (row.key, row.covered, row.total, row.value) == ("IDC", 2, 4, 0.5)
        idc.update(batch_of([(0, 5)]))
        assert idc.compute()[0].value == 0.75

    def test_what_stands_beside_it(self, idc):
        idc.update(batch_of([(1, 1), (9, 1), (9, 2)]))
        row = idc.compute()[0]
        assert (row.reach, row.covered_reached, row.of_reached) == (4, 2, 0.5)
        assert (row.exercised_rows, row.reference_rows, row.share) == (2, 4, 0.5)


small = st.integers(-3, 3)
centroid_lists = st.lists(
    st.sets(small, min_size=1, max_size=3).map(sorted), min_size=1, max_size=4
)


@settings(max_examples=80, deadline=None)
@given(centroid_lists, st.data())
def test_every_number_equals_the_definition_for_every_m(centroids, data):
    row = st.tuples(*[small.map(lambda i: i / 2)] * len(centroids))
    reference = data.draw(st.lists(row, min_size=1, max_size=15))
    suite = data.draw(st.lists(row, min_size=1, max_size=10))
    classes = [data.draw(st.integers(-1, 2)) for _ in reference]
    fitted = [data.draw(st.booleans()) for _ in reference]
    idc = idc_of(space_of([with_centroids(*c) for c in centroids]), reference, classes, fitted)
    idc.update(batch_of(suite))
    for m in range(1, len(centroids) + 1):
        expected = reference_idc.idc(
            [row[:m] for row in reference],
            classes,
            fitted,
            [row[:m] for row in suite],
            centroids[:m],
        )
        row = idc.rows_at(m)[0]
        assert (row.covered, row.total) == (expected.covered, expected.total)
        assert (row.reach, row.covered_reached) == (expected.reach, expected.covered_reached)
        assert (row.exercised_rows, row.reference_rows) == (
            expected.exercised_rows, expected.reference_rows,
        )  # fmt: skip
        assert row.details["fit_reached"] == expected.fit_reached
        assert idc.exercised("fc", m).classes == expected.share_by_class
        step = idc.ladder()[m - 1]
        assert (step.m, step.covered, step.total, step.reach) == (
            m,
            row.covered,
            row.total,
            row.reach,
        )
        assert (step.fit_reached, step.covered_reached) == (
            expected.fit_reached,
            row.covered_reached,
        )
        assert step.share == row.share


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
        idc = ImportanceDrivenCoverage(**provided("all"))
        idc.update(activations(50, seed=3))
        rows = {row.key: row for row in idc.compute()}
        assert list(rows) == ["IDC", "IDC@conv", "IDC@fc"]
        parts = [rows["IDC@conv"], rows["IDC@fc"]]
        headline = rows["IDC"]
        for name in ("covered", "total", "reach", "covered_reached", "exercised_rows"):
            assert getattr(headline, name) == sum(getattr(part, name) for part in parts)
        assert headline.details["mean"] == pytest.approx(sum(p.value for p in parts) / 2)

    def test_rows_of_each_class(self):
        idc = ImportanceDrivenCoverage(**provided("classes"))
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
        idc = ImportanceDrivenCoverage(**parts)
        idc.update(batch)
        for space in parts["spaces"]:
            own = batch.select(batch.labels == space.class_index)
            expected = {tuple(code[: space.m]) for code in space.encode(own).tolist()}
            assert idc.measure(space.name).covered == len(expected)

    def test_without_labels_classes_are_not_judged(self):
        idc = ImportanceDrivenCoverage(**provided("classes"))
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
        idc = ImportanceDrivenCoverage(**provided("global"))
        assert [row.key for row in idc.compute()] == ["IDC"]


class TestRandomSuite:
    def test_the_same_number_of_random_reference_rows(self):
        idc = ImportanceDrivenCoverage(**provided("layer"))
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
        idc = ImportanceDrivenCoverage(**provided("classes"))
        rows = {row.key: row for row in idc.rows_at(inputs=EACH)}
        assert rows["IDC"].inputs == 60
        parts = [rows[f"IDC:{c}"].random for c in range(3)]
        assert rows["IDC"].random.expected == pytest.approx(sum(p.expected for p in parts))
        assert rows["IDC"].random.sd ** 2 == pytest.approx(sum(p.sd**2 for p in parts))

    def test_layers_do_not_because_they_see_the_same_inputs(self):
        idc = ImportanceDrivenCoverage(**provided("all"))
        rows = {row.key: row for row in idc.rows_at(inputs=20)}
        assert rows["IDC"].random is None
        assert rows["IDC"].inputs == rows["IDC@fc"].inputs == 20
        assert rows["IDC@fc"].random is not None

    def test_class_spaces_need_their_own_number(self):
        with pytest.raises(TypeError, match="give inputs by space name"):
            ImportanceDrivenCoverage(**provided("classes")).rows_at(inputs=20)


class TestBelongingTogether:
    def test_states_of_other_spaces_are_refused(self):
        one = ImportanceDrivenCoverage(**provided("layer"))
        two = ImportanceDrivenCoverage(**provided("all"))
        with pytest.raises(RecordingError, match="conv, fc instead of fc"):
            one.merge(two)
        with pytest.raises(RecordingError, match="same profile file"):
            one.absorb(two.export())

    def test_a_space_without_counts_is_refused(self):
        with pytest.raises(ProfileError, match="no reference counts for: fc"):
            ImportanceDrivenCoverage(provided("layer")["spaces"], {})
        with pytest.raises(ProfileError, match="no combination space"):
            ImportanceDrivenCoverage((), {})


def test_missing_names_the_largest_gap():
    space = space_of([with_centroids(0, 10)])
    idc = idc_of(space, [(0,), (10,), (10,)], classes=[0, 1, 1])
    idc.update(batch_of([(0,)]))
    (gap,) = idc.missing("fc")
    assert (gap.combination, gap.rows, gap.main_class, gap.first_index) == ((1,), 2, 1, 1)


def test_totals_beyond_64_bits_stay_exact():
    space = space_of([with_centroids(0, 1, 2)] * 64)
    idc = idc_of(space, np.zeros((2, 64)))
    idc.update(batch_of(np.eye(64) * 2))
    row = idc.compute()[0]
    assert (row.covered, row.total) == (64, 3**64)
    assert row.fraction * 3**64 == 64
    assert [step.total for step in idc.ladder()] == [3**m for m in range(1, 65)]


def test_many_updates_keep_only_distinct_combinations(monkeypatch):
    monkeypatch.setattr("pytest_deepimportance.criteria.combination_state._PENDING_ROWS", 4)
    idc = idc_of(space_of([with_centroids(0, 1)] * 3), [(0, 0, 0)])
    for i in range(40):
        idc.update(batch_of([(i & 1, (i >> 1) & 1, 0)]))
    assert idc.compute()[0].covered == 4
    assert len(idc.states["fc"]._parts) <= 6
