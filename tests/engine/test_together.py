"""Blocks reduced together are what each of them is by itself."""

from __future__ import annotations

import pytest
import torch

from pytest_deepimportance.engine.reducing import state_of
from pytest_deepimportance.engine.states import new_criteria
from pytest_deepimportance.engine.together import states_of
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.recording.blocks import Block
from tests.engine.builders import SETTINGS
from tests.engine.test_states import recorded
from tests.engine.test_wire import same
from tests.profile.builders import profile_of, rows

X, Y = rows(60, seed=2)
X[20:22] = float("nan")
X[24, 0] = float("inf")


@pytest.fixture(scope="module")
def profile() -> Profile:
    x, y = rows(200)
    return profile_of((torch.cat([x, X[5:7]]), torch.cat([y, Y[5:7]]))).with_m("auto")


def blocks(profile: Profile, *, finite: bool) -> list[Block]:
    spans = [(0, 1), (1, 2), (2, 7), (6, 7), (0, 1), (26, 58), (26, 59), (30, 30)]
    if not finite:
        spans += [(20, 22), (19, 23), (24, 25)]
    found = [recorded(profile, X[a:b]) for a, b in spans]
    found.append(recorded(profile, X[8:10], labels=Y[8:10]))
    found.append(recorded(profile, X[10:12], X[12:13], labels=Y[10:13]))
    return [*found, Block("nothing", "fixture")]


@pytest.mark.parametrize("finite", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_as_by_itself(profile: Profile, finite: bool, known: bool) -> None:
    criteria = new_criteria(profile, SETTINGS)
    reference = profile.digests if known else None
    together = states_of(blocks(profile, finite=finite), criteria, reference)
    alone = [state_of(b, criteria, reference) for b in blocks(profile, finite=finite)]
    assert len(together) == len(alone)
    for one, other in zip(together, alone, strict=True):
        same(one, other)
    leaks = [at for at, state in enumerate(together) if state.without_leaks is not None]
    assert leaks == ([2, 3] if known else [])


def test_a_users_criterion_is_measured_at_once(profile: Profile) -> None:
    known = new_criteria(profile, SETTINGS)
    criteria = {"IDC": known["IDC"], "TOY": known["NC"]}
    together = states_of(blocks(profile, finite=True), criteria, None)
    alone = [state_of(block, criteria) for block in blocks(profile, finite=True)]
    for one, other in zip(together, alone, strict=True):
        same(one, other)
    assert together[0].waiting == ("IDC",)
    assert list(together[0].criteria) == ["TOY"]


def test_nothing_at_all(profile: Profile) -> None:
    assert states_of([], new_criteria(profile, SETTINGS), profile.digests) == []
