"""The arithmetic of a vote against its slow twin, and what must hold of every vote."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_deepimportance.attribution.ballots import (
    Candidate,
    Electorate,
    comparable,
    lists_of,
    points_of,
    winners_of,
)
from pytest_deepimportance.attribution.vote_options import VoteOptions, vote_options
from pytest_deepimportance.errors import SettingsError
from tests.oracles.reference_vote import Neuron, one_batch

MODES = ("weighted", "winner", "wisdom")


def options(m: Any = 3, **changes: Any) -> VoteOptions:
    given: dict[str, Any] = {"scope": "global", "mode": "weighted", "points": "borda"}
    given |= {"normalize": None, "sign": None, "by": "batch"}
    return vote_options(["a"], m, **{**given, **changes})


def candidates(
    scores: Mapping[str, np.ndarray], electorate: Electorate, asked: VoteOptions, cost: np.ndarray
) -> dict[str, Candidate]:
    """The loss of a removed set is a sum over its neurons, so that gains can be any number."""
    found = {}
    for name, own in scores.items():
        values = comparable(own, electorate, asked)
        lists = lists_of(values, electorate.constituencies, asked.m)
        if any(map(len, lists)):
            found[name] = Candidate(lists, own, float(cost[np.concatenate(lists)].sum()))
    return found


numbers = st.integers(-6, 6).map(lambda value: value / 4)  # many ties, exact sums


@st.composite
def elections(draw: st.DrawFn) -> tuple[dict[str, int], dict[str, np.ndarray], np.ndarray]:
    widths = {f"l{i}": draw(st.integers(1, 5)) for i in range(draw(st.integers(1, 3)))}
    size = sum(widths.values())
    row = st.lists(numbers, min_size=size, max_size=size).map(np.array)
    names = draw(st.lists(st.sampled_from("abcd"), min_size=1, max_size=4, unique=True))
    return widths, {name: draw(row) for name in names}, draw(row)


def by_neuron(values: np.ndarray, widths: Mapping[str, int]) -> dict[Neuron, float]:
    keys = [(layer, i) for layer, width in enumerate(widths.values()) for i in range(width)]
    return dict(zip(keys, map(float, values), strict=True))


@given(
    elections(), st.integers(1, 6), st.sampled_from(MODES),
    st.sampled_from(["layer-l1", "none", "rank", "global"]),
    st.sampled_from(["positive", "signed", "absolute"]),
    st.sampled_from(["borda", "one", "gain-weighted"]),
)  # fmt: skip
def test_a_batch_against_the_slow_twin(
    election: Any, m: int, mode: str, how: str, sign: str, points: str
) -> None:
    widths, scores, cost = election
    points = "borda" if mode == "wisdom" else points
    asked = options(m, mode=mode, normalize=how, sign=sign, points=points)
    electorate = Electorate(widths, "global")
    costs = by_neuron(cost, widths)
    wanted, winner, gains = one_batch(
        {name: by_neuron(own, widths) for name, own in scores.items()},
        lambda removed: sum(costs[neuron] for neuron in sorted(removed)),
        m, mode=mode, how=how, sign=sign, points=points,
    )  # fmt: skip
    said = candidates(scores, electorate, asked, cost)
    assert {name: one.gain for name, one in said.items()} == pytest.approx(gains)
    assert [*winners_of(said), ""][0] == winner
    found = points_of(said, electorate, asked)
    if wanted is None:
        assert found is None
        return
    assert found is not None
    expected = {neuron: value for neuron, value in wanted.items() if value}
    got = {neuron: value for neuron, value in by_neuron(found, widths).items() if value}
    assert got == pytest.approx(expected)


@given(elections(), st.integers(1, 4), st.sampled_from(["weighted", "winner"]))
def test_full_lists_give_all_points(election: Any, m: int, mode: str) -> None:
    widths, scores, cost = election
    electorate = Electorate(widths, "global")
    asked = options(min(m, electorate.size), mode=mode, sign="signed")
    assert asked.m is not None
    found = points_of(candidates(scores, electorate, asked, cost), electorate, asked)
    if found is not None:
        assert found.sum() == asked.m * (asked.m + 1) / 2
        assert sorted(found[found > 0]) == list(range(1, asked.m + 1))


@given(elections(), st.sampled_from(MODES), st.randoms())
def test_the_order_of_methods_changes_nothing(election: Any, mode: str, random: Any) -> None:
    widths, scores, cost = election
    electorate, asked = Electorate(widths, "global"), options(3, mode=mode)
    names = list(scores)
    random.shuffle(names)
    other = {name: scores[name] for name in names}
    one = points_of(candidates(scores, electorate, asked, cost), electorate, asked)
    two = points_of(candidates(other, electorate, asked, cost), electorate, asked)
    assert (one is None) == (two is None)
    if one is not None:
        np.testing.assert_array_equal(one, two)


@given(elections(), st.integers(1, 4))
def test_one_method_alone_gets_its_own_list(election: Any, m: int) -> None:
    widths, scores, _ = election
    name = min(scores)
    electorate, asked = Electorate(widths, "global"), options(m)
    said = candidates({name: scores[name]}, electorate, asked, np.ones(electorate.size))
    found = points_of(said, electorate, asked)
    if not said:
        assert found is None
        return
    assert found is not None
    (places,) = said[name].lists
    assert found[places].tolist() == list(range(m, m - len(places), -1))
    assert found.sum() == found[places].sum()


def test_ties_go_to_the_first_layer_then_the_first_neuron() -> None:
    electorate = Electorate({"a": 2, "b": 2}, "global")
    values = comparable(np.array([1.0, 1.0, 1.0, 1.0]), electorate, options())
    assert [found.tolist() for found in lists_of(values, electorate.constituencies, 3)] == [
        [0, 1, 2]
    ]


def test_scopes_make_one_list_for_all_each_layer_or_each_block() -> None:
    widths = {"layer1.0": 2, "layer1.1": 1, "layer2.0": 2}
    lists = {
        scope: [part.tolist() for part in Electorate(widths, scope).constituencies]
        for scope in ("global", "layer", "block")
    }
    assert lists["global"] == [[0, 1, 2, 3, 4]]
    assert lists["layer"] == [[0, 1], [2], [3, 4]]
    assert lists["block"] == [[0, 1, 2], [3, 4]]


def test_layers_are_compared_by_their_share() -> None:
    electorate = Electorate({"wide": 3, "narrow": 2}, "global")
    scores = np.array([30.0, 20.0, -50.0, 0.9, -0.1])
    shares = comparable(scores, electorate, options())
    np.testing.assert_allclose(shares, [0.3, 0.2, np.nan, 0.9, np.nan])
    sizes = comparable(scores, electorate, options(sign="absolute", normalize="global"))
    np.testing.assert_allclose(sizes, np.abs(scores) / 101.0)
    ranks = comparable(scores, electorate, options(normalize="rank", sign="signed"))
    np.testing.assert_allclose(ranks, [1, 2 / 3, 1 / 3, 1, 1 / 2])


def test_wisdom_has_ten_places_and_negative_weights() -> None:
    """Ten places whatever m is; gains of -1 and 3 weigh -1/2 and 3/2 (idc.md 3.1, item 5)."""
    electorate = Electorate({"a": 14}, "global")
    asked = options(14, mode="wisdom")
    first, second = np.arange(14.0), np.arange(14.0)[::-1].copy()
    every = [np.arange(14)]
    said = {"up": Candidate(every, first, -1.0), "down": Candidate(every, second, 3.0)}
    found = points_of(said, electorate, asked)
    assert found is not None
    merged = -0.5 * first + 1.5 * second
    best = np.argsort(-merged)[:10]
    assert found[best].tolist() == [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert found.sum() == 55


def test_a_short_list_of_wisdom_gives_its_length_first() -> None:
    """The published vgg16 file is ten points short: one batch with nine neurons gave 9 + ... + 1."""
    electorate = Electorate({"a": 9}, "global")
    said = {"one": Candidate([np.arange(9)], np.arange(9.0), 1.0)}
    found = points_of(said, electorate, options(9, mode="wisdom"))
    assert found is not None
    assert found.sum() == 55 - 10


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mode": "weigthed"}, "did you mean weighted"),
        ({"scope": "everything"}, "scope is one of: global, layer, block"),
        ({"points": "two"}, "points = 'two'"),
        ({"normalize": "l2"}, "normalize = 'l2'"),
        ({"sign": "negative"}, "sign = 'negative'"),
        ({"by": "hour"}, "by = 'hour'"),
        ({"mode": "wisdom", "points": "one"}, "Leave points out"),
        ({"m": 0}, "Give a number from 1, or all"),
        ({"m": "ten"}, "m = 'ten'"),
        ({"m": 2.5}, "m = 2.5"),
    ],
)
def test_options_are_checked(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        options(**changes)
    assert str(caught.value).count("\n") >= 2


def test_m_may_be_all() -> None:
    assert options("all").m is None
    assert options(-1).m is None
    with pytest.raises(SettingsError, match="no attribution method is named"):
        vote_options(
            " , ", 3, scope="global", mode="weighted", points="borda", normalize=None, sign=None,
            by="batch",
        )  # fmt: skip
