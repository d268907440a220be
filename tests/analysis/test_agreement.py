"""Overlap, chance, rank correlation, common neurons and shares against their slow twins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance.analysis.agreement import (
    chance_jaccard,
    class_overlap,
    jaccard,
    overlap,
    rank_correlation,
)
from pytest_deepimportance.importance_results import ScoreSet
from tests.oracles import reference_agreement as twin

SCORES = st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=9)


def score_set(scores: list[float], name: str = "", method: str = "lrp") -> ScoreSet:
    index = None if not name else int(name)
    return ScoreSet(method, "reference", index, name, 10, {"fc": tuple(scores)})


@given(SCORES, st.data())
@settings(max_examples=150, deadline=None)
def test_two_rankings(scores: list[float], data: st.DataObject) -> None:
    other = data.draw(
        st.lists(st.integers(-4, 4).map(float), min_size=len(scores), max_size=len(scores))
    )
    m = data.draw(st.integers(1, len(scores)))
    found = overlap("methods", score_set(scores), score_set(other, method="random"), "fc", m)
    if any(scores) and any(other):
        assert found.jaccard == pytest.approx(
            float(twin.jaccard(twin.top(scores, m), twin.top(other, m)))
        )
    else:
        assert found.jaccard is None
    assert found.chance == pytest.approx(float(twin.chance(len(scores), m)))
    expected = twin.spearman(scores, other)
    if expected is None:
        assert found.rank_correlation is None
    else:
        assert found.rank_correlation == pytest.approx(expected)
    assert (found.first, found.second, found.within) == ("lrp", "random", "reference")


@given(SCORES)
@settings(max_examples=100, deadline=None)
def test_ranking_and_half_of_the_scores(scores: list[float]) -> None:
    found = score_set(scores)
    for m in range(1, len(scores) + 1):
        assert set(found.top("fc", m)) == twin.top(scores, m)
    assert found.half("fc") == twin.half(scores)


def test_shares_of_layers() -> None:
    layers = {"a": (1.0, -3.0), "b": (0.5,), "c": (0.0, 0.0, -2.5)}
    found = ScoreSet("lrp", "reference", None, "", 1, layers)
    assert found.shares() == pytest.approx(twin.shares(layers))
    assert ScoreSet("lrp", "x", None, "", 1, {"a": (0.0,)}).shares() == {"a": 0.0}


def test_common_neurons_and_pairs_of_classes() -> None:
    rng = np.random.default_rng(3)
    scores = rng.integers(-3, 4, size=(5, 12)).astype(float).tolist()
    found = class_overlap([score_set(own, str(c)) for c, own in enumerate(scores)], "fc", 4)
    assert list(found.common) == twin.common(scores, 4)
    tops = [twin.top(own, 4) for own in scores]
    pairs = {
        (a, b): float(twin.jaccard(tops[a], tops[b])) for a in range(5) for b in range(a + 1, 5)
    }
    assert found.jaccard == pytest.approx(sum(pairs.values()) / len(pairs))
    assert found.most_alike[2] == pytest.approx(max(pairs.values()))
    assert found.least_alike[2] == pytest.approx(min(pairs.values()))
    one, other, value = found.most_alike
    assert pairs[int(one), int(other)] == pytest.approx(value)


def test_chance_of_wide_layers_stays_finite() -> None:
    assert chance_jaccard(4096, 4096) == 1.0
    assert 0 < chance_jaccard(4096, 10) < 0.01
    assert chance_jaccard(4096, 2048) == pytest.approx(1 / 3, rel=1e-3)
    assert chance_jaccard(5, 0) == 1.0
    assert jaccard([], []) == 1.0


def test_a_reversed_ranking_is_the_opposite() -> None:
    values = [3.0, 1.0, 2.0]
    assert rank_correlation(values, values) == 1.0
    assert rank_correlation(values, [-v for v in values]) == -1.0
