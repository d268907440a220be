from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import silhouette_score

from pytest_deepimportance.clustering.silhouette import mean_silhouette
from tests.oracles import reference_silhouette


@st.composite
def clusterings(draw, largest=30):
    # A grid: differences beyond the digits of the range make silhouettes jump, in any program.
    grid = st.integers(-2000, 2000).map(lambda i: i / 16)
    values = np.array(sorted(draw(st.lists(grid, min_size=3, max_size=largest))))
    possible = (np.flatnonzero(np.diff(values)) + 1).tolist()
    assume(possible)
    cuts = draw(st.lists(st.sampled_from(possible), min_size=1, max_size=4, unique=True))
    assume(len(cuts) + 1 < len(values))
    return values, sorted(cuts)


def labels_of(values, cuts):
    return np.searchsorted(cuts, np.arange(len(values)), side="right")


@settings(max_examples=150, deadline=None)
@given(clusterings())
def test_equals_scikit_learn(case):
    values, cuts = case
    expected = silhouette_score(values[:, None], labels_of(values, cuts))
    assert mean_silhouette(values, cuts) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(clusterings())
def test_equals_the_definition(case):
    values, cuts = case
    expected = reference_silhouette.mean_silhouette(
        values.tolist(), labels_of(values, cuts).tolist()
    )
    assert mean_silhouette(values, cuts) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(clusterings(largest=12), st.data())
def test_counts_stand_for_repeats(case, data):
    values, cuts = case
    counts = data.draw(
        st.lists(st.integers(1, 4), min_size=len(values), max_size=len(values)).map(np.array)
    )
    starts = np.concatenate([[0], np.cumsum(counts)])
    repeated = mean_silhouette(np.repeat(values, counts), starts[cuts])
    assert mean_silhouette(values, cuts, counts) == pytest.approx(repeated, abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(clusterings())
def test_the_nearest_other_cluster_is_always_a_neighbour(case):
    values, cuts = case
    labels = labels_of(values, cuts)
    for value, label in zip(values, labels, strict=True):
        others = [c for c in range(len(cuts) + 1) if c != label]
        distance = {c: np.abs(values[labels == c] - value).mean() for c in others}
        beside = [distance[c] for c in others if abs(c - label) == 1]
        assert min(beside) <= min(distance.values()) + 1e-9


def test_right_at_a_large_offset():
    values = np.sort(np.random.default_rng(0).uniform(0, 1e-3, 200))
    expected = silhouette_score((values - values.mean())[:, None], labels_of(values, [60, 130]))
    assert mean_silhouette(values + 1e6, [60, 130]) == pytest.approx(expected, abs=1e-5)
    assert mean_silhouette(values, [60, 130]) == pytest.approx(expected, abs=1e-9)


def test_a_value_alone_in_its_cluster_scores_0():
    assert mean_silhouette(np.array([0.0, 1.0]), [1]) == 0.0
    assert mean_silhouette(np.array([0.0, 1.0]), [1], [3, 1]) == 0.75
