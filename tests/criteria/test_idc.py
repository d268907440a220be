from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance.clustering.kmeans import cluster_activations
from pytest_deepimportance.criteria.base import create
from pytest_deepimportance.criteria.idc import ImportanceDrivenCoverage
from pytest_deepimportance.errors import ProfileError, RecordingError
from tests.contract.provided import provided
from tests.criteria.builders import batch_of, idc_of, space_of, with_centroids
from tests.oracles import reference_idc


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


class TestBelongingTogether:
    def test_states_of_other_spaces_are_refused(self):
        one = create("IDC", provided("layer"))
        two = create("IDC", provided("all"))
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
