"""Growth curves and cluster hits against plain loops."""

from __future__ import annotations

import numpy as np
import torch

from pytest_deepimportance.engine.growth import POINTS, growth
from pytest_deepimportance.engine.states import BlockState
from pytest_deepimportance.engine.suites import evaluate
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.statistics.expectation import random_suite
from tests.engine.builders import SETTINGS, batch_of, state_of_rows
from tests.engine.test_suites import profile  # noqa: F401  (a fixture)
from tests.oracles import reference_growth
from tests.profile.builders import rows


def recorded(found: Profile, key: str, x: torch.Tensor) -> BlockState:
    """A block's state as the recorder leaves it: with the clusters of every row."""
    space = found.whole_spaces[0]
    state = state_of_rows(found, key, x)
    return state._replace(codes={space.name: space.encode(batch_of(x))})


def combinations(found: Profile, x: torch.Tensor) -> list[tuple[int, ...]]:
    space = found.whole_spaces[0]
    return [tuple(codes) for codes in space.encode(batch_of(x))[:, : space.m].tolist()]


def test_growth_equals_plain_loops_whatever_the_order_of_blocks(profile: Profile) -> None:  # noqa: F811
    first, second = rows(40, seed=2)[0], rows(40, seed=3)[0]
    again = torch.cat([second[:5], first[:5], second])
    states = [recorded(profile, "a", first), recorded(profile, "b", again)]
    points = growth(profile, states)
    assert growth(profile, states[::-1]) == points
    x = torch.cat([first, again])
    digests = np.concatenate([state.digests for state in states]).tolist()
    expected = dict(reference_growth.growth(digests, combinations(profile, x)))
    assert len(points) == min(POINTS, len(expected))
    assert (points[0].inputs, points[-1].inputs) == (1, len(expected))
    counts = profile.counts[profile.whole_spaces[0].name].prefix(profile.whole_spaces[0].m)
    for point in points:
        assert point.covered == expected[point.inputs]
        assert point.compared <= point.covered
        random = random_suite(counts.counts, point.inputs)
        assert (point.expected, point.low, point.high) == (random.expected, random.low, random.high)


def test_the_last_point_is_the_suite(profile: Profile) -> None:  # noqa: F811
    state = recorded(profile, "a", rows(50, seed=2)[0])
    suite = evaluate("s", [state], profile, SETTINGS, outcomes=["passed"])
    last = growth(profile, [state])[-1]
    row = suite.criteria["IDC"]
    assert (last.inputs, last.covered) == (suite.inputs, row.covered)
    assert row.random is not None
    assert (last.compared, last.expected) == (row.random.covered, row.random.expected)


def test_hits_equal_plain_loops(profile: Profile) -> None:  # noqa: F811
    x = rows(50, seed=2)[0]
    suite = evaluate(
        "s", [recorded(profile, "a", torch.cat([x, x[:9]]))], profile, SETTINGS,
        outcomes=["passed"],
    )  # fmt: skip
    space = profile.whole_spaces[0]
    ks = space.ks[: space.m]
    expected = reference_growth.hits(combinations(profile, x), ks, [1] * len(x))
    assert [list(hit.inputs) for hit in suite.hits] == expected
    assert [(hit.layer, hit.index) for hit in suite.hits] == list(space.neurons[: space.m])
    reference = rows(300)[0]
    expected = reference_growth.hits(combinations(profile, reference), ks, [1] * len(reference))
    assert [list(hit.reference_rows) for hit in suite.hits] == expected


def test_more_inputs_than_reference_rows_have_no_random_suite(profile: Profile) -> None:  # noqa: F811
    points = growth(profile, [recorded(profile, "a", rows(400, seed=2)[0])])
    assert points[-1].inputs > profile.reference.usable
    assert (points[-1].expected, points[-1].low) == (None, None)
    assert points[0].expected == 1.0


def test_nothing_recorded_has_no_curve(profile: Profile) -> None:  # noqa: F811
    assert growth(profile, []) == ()
    assert growth(profile, [recorded(profile, "a", rows(5)[0][:0])]) == ()
    assert evaluate("s", [], profile, SETTINGS, outcomes=[]).hits == ()
