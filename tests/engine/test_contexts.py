"""What each test adds, against plain sets."""

from __future__ import annotations

import dataclasses
import itertools
import math
import random
from collections.abc import Hashable

import numpy as np
import pytest

from pytest_deepimportance.contributions import Contribution, Contributions
from pytest_deepimportance.engine.assemble import assemble
from pytest_deepimportance.engine.contexts import contributions
from pytest_deepimportance.engine.sessions import SessionState
from pytest_deepimportance.errors import SettingsError
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.settings import from_keywords
from tests.engine.builders import SETTINGS, batch_of, session, state_of_rows
from tests.oracles import reference_items
from tests.profile.builders import profile_of, rows

X, Y = rows(60, seed=2)
FIXTURE = "fixture test_it.py::predictions"
SPANS = {"a": (0, 20), "b": (5, 12), "c": (18, 40), "d": (40, 41), "e": (0, 3)}


@pytest.fixture(scope="module")
def profile() -> Profile:
    return profile_of(rows(200)).with_m("auto")


@pytest.fixture(scope="module")
def state(profile: Profile) -> SessionState:
    blocks = [("s", state_of_rows(profile, key, X[i:j], Y[i:j])) for key, (i, j) in SPANS.items()]
    blocks.append(("s", state_of_rows(profile, FIXTURE, X[50:58], Y[50:58])))
    own = {key: ("default", "passed", [("s", key)]) for key in SPANS}
    own["f"] = ("other", "passed", [("s", FIXTURE)])
    own["a"] = ("default", "failed", [("s", "a"), ("s", FIXTURE)])
    own["z"] = ("default", "skipped", [])
    return session(own, blocks)


def combinations_of(profile: Profile, first: int, last: int) -> set[Hashable]:
    """The combinations of rows, from the definition: the nearest centroid of each neuron."""
    (space,) = profile.whole_spaces
    batch = batch_of(X[first:last])
    found: set[Hashable] = set()
    for row in range(last - first):
        code = []
        for (layer, neuron), clustering in zip(
            space.neurons[: space.m], space.clusterings, strict=False
        ):
            value = float(batch.layers[layer].values[row, neuron])
            away = [abs(value - centroid) for centroid in clustering.centroids.tolist()]
            code.append(away.index(min(away)))
        found.add(tuple(code))
    return found


def expected(sets: dict[str, set[Hashable]]) -> dict[str, tuple[int, int, int, int]]:
    names = sorted(sets)
    chosen = reference_items.greedy([sets[name] for name in names])
    places = {names[row]: (place, gain) for place, (row, gain) in enumerate(chosen, start=1)}
    result = {}
    for name in names:
        others = set().union(*(sets[other] for other in names if other != name))
        result[name] = (len(sets[name]), len(sets[name] - others), *places.get(name, (0, 0)))
    return result


def test_tests_against_plain_sets(profile: Profile, state: SessionState) -> None:
    found = contributions(state, profile, SETTINGS, criteria=["IDC"])
    sets = {name: combinations_of(profile, *span) for name, span in SPANS.items()}
    sets["f"] = combinations_of(profile, 50, 58)
    sets["a"] = sets["a"] | sets["f"]
    wanted = expected(sets)
    assert {t.nodeid: (t.covers, t.only, t.place, t.adds) for t in found.tests} == wanted
    assert found.items == len(set().union(*sets.values()))
    assert [test.nodeid for test in found.idle] == [n for n in sorted(wanted) if not wanted[n][2]]


def test_the_subset_keeps_every_number(profile: Profile, state: SessionState) -> None:
    found = contributions(state, profile, SETTINGS)
    assert found.criteria == SETTINGS.criteria
    chosen = {test.nodeid for test in found.subset}
    assert 0 < len(chosen) < len(found.tests)
    fewer = dataclasses.replace(state, tests=tuple(t for t in state.tests if t.nodeid in chosen))
    whole, part = (assemble(profile, SETTINGS, one).total for one in (state, fewer))
    for key, row in whole.criteria.items():
        assert part.criteria[key].covered == row.covered, key
    assert sum(test.adds for test in found.subset) == found.items


def test_what_does_not_count_is_left_out(profile: Profile, state: SessionState) -> None:
    passed = SETTINGS.replace("x", count="passed")
    assert "a" not in [test.nodeid for test in contributions(state, profile, passed).tests]
    ungated = dataclasses.replace(state, ungated=frozenset({"other"}))
    assert "f" not in [test.nodeid for test in contributions(ungated, profile, SETTINGS).tests]
    (only,) = contributions(state, profile, SETTINGS, suite="other").tests
    assert only.nodeid == "f"
    assert "z" not in [test.nodeid for test in contributions(state, profile, SETTINGS).tests]


def test_criteria_without_items_of_their_own(profile: Profile, state: SessionState) -> None:
    every = from_keywords(criteria=[*SETTINGS.criteria, "CC", "NLC"])
    assert contributions(state, profile, every).left_out == ("CC", "NLC")
    with pytest.raises(SettingsError, match="no items of CC"):
        contributions(state, profile, every, criteria=["CC"])
    with pytest.raises(SettingsError, match="was not measured"):
        contributions(state, profile, SETTINGS, criteria=["NLC"])
    with pytest.raises(SettingsError, match="unknown criterion"):
        contributions(state, profile, SETTINGS, criteria=["NOPE"])


def test_nothing_ran(profile: Profile) -> None:
    found = contributions(SessionState((), {}), profile, SETTINGS)
    assert (found.tests, found.items, found.at_least, found.bound) == ((), 0, 0, 1.0)


def found_in(sets: list[set[int]]) -> Contributions:
    """The plain data for these sets, made by the slow twin."""
    chosen = reference_items.greedy(sets)  # type: ignore[arg-type]
    places = {row: place for place, (row, _) in enumerate(chosen, start=1)}
    tests = tuple(
        Contribution(str(n), "s", 1, len(s), len(s - set().union(*sets[:n], *sets[n + 1 :])),
                     places.get(n, 0))
        for n, s in enumerate(sets)
    )  # fmt: skip
    return Contributions(("IDC",), (), len(set().union(*sets)), max(map(len, sets)), tests)


def fewest(sets: list[set[int]]) -> int:
    whole = set().union(*sets)
    return next(
        size
        for size in range(len(sets) + 1)
        if any(set().union(*some) == whole for some in itertools.combinations(sets, size))
    )


def test_the_bounds_hold_on_random_sets() -> None:
    draw = random.Random(3)
    tight = 0
    for _ in range(150):
        items = draw.randint(1, 12)
        sets = [
            {draw.randrange(items) for _ in range(draw.randint(1, 6))}
            for _ in range(draw.randint(1, 8))
        ]
        found, best = found_in(sets), fewest(sets)
        assert found.at_least <= best <= len(found.subset) <= found.bound * best
        assert found.bound == math.log(max(map(len, sets))) + 1
        tight += found.at_least == len(found.subset)
    assert tight > 75


def test_items_are_counted_in_whole_numbers(profile: Profile, state: SessionState) -> None:
    found = contributions(state, profile, SETTINGS)
    for test in found.tests:
        assert type(test.covers) is type(test.only) is type(test.adds) is int
    assert not isinstance(found.items, np.integer)
