from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from pytest_deepimportance.engine.reducing import state_of
from pytest_deepimportance.engine.states import BlockState, new_criteria
from pytest_deepimportance.engine.wire import packed, unpacked
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.recording.blocks import Block
from pytest_deepimportance.recording.labelling import label_newest
from pytest_deepimportance.recording.recorder import Recorder
from tests.engine.builders import SETTINGS
from tests.profile.builders import Mlp, profile_of, rows


@pytest.fixture(scope="module")
def profile() -> Profile:
    return profile_of(rows(200), classes="each").with_m("auto")


def empty(profile):
    return new_criteria(profile, SETTINGS)


def recorded(profile: Profile, *batches: torch.Tensor, labels: Any = None) -> Block:
    model, block = Mlp(), Block("tests/test_a.py::test_it", "test")
    recorder = Recorder(
        model, profile.sites, profile.layers, reduce="mean", tap="post", output=None,
        model_fingerprint=profile.model.fingerprint,
    )  # fmt: skip
    recorder.block = block
    recorder.attach()
    try:
        with torch.no_grad():
            for batch in batches:
                model(batch)
    finally:
        recorder.detach()
    if labels is not None:
        label_newest([block], labels)
    return block


def same(one: BlockState, other: BlockState) -> None:
    for name in ("key", "kind", "passes", "criteria", "non_finite", "train_mode_passes"):
        assert getattr(one, name) == getattr(other, name), name
    for name in ("digests", "labels", "predictions"):
        a, b = getattr(one, name), getattr(other, name)
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def again(state: BlockState) -> BlockState:
    return unpacked([(state.key, packed([state])[0])])[0]


@pytest.mark.parametrize("labelled", [True, False])
def test_wire_round_trip(profile: Profile, labelled: bool) -> None:
    x, y = rows(20, seed=2)
    state = state_of(
        recorded(profile, x[:7], x[7:], labels=y if labelled else None), empty(profile)
    )
    assert (state.passes, len(state.digests)) == (2, 20)
    same(again(state), state)


def test_nothing_recorded(profile: Profile) -> None:
    state = state_of(Block("a", "fixture"), empty(profile))
    assert (state.kind, state.passes, len(state.digests)) == ("fixture", 0, 0)
    same(again(state), state)


def test_rows_that_are_not_finite_are_counted_by_layer(profile: Profile) -> None:
    x, _ = rows(10, seed=2)
    x[[2, 5]] = float("inf")
    state = state_of(recorded(profile, x), empty(profile))
    assert len(state.digests) == 8
    assert dict(state.non_finite) == {"fc2": 2}


def test_a_state_does_not_depend_on_batches(profile: Profile) -> None:
    x, y = rows(40, seed=2)
    # The forward pass itself gives other last digits: surprise values would show them.
    bits = {n: c for n, c in empty(profile).items() if n not in ("LSC", "DSC", "MDSC")}
    whole = state_of(recorded(profile, x, labels=y), bits)
    parts = state_of(recorded(profile, *x.split(4), labels=y), bits)
    for name in ("digests", "labels", "predictions"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))
    assert whole.criteria == parts.criteria
    assert whole.criteria


def test_same_inputs_ignores_order_and_labels_but_not_repeats(profile: Profile) -> None:
    x, y = rows(10, seed=2)
    state = state_of(recorded(profile, x), empty(profile))
    assert state.same_inputs(
        state_of(recorded(profile, x.flip(0), labels=y.flip(0)), empty(profile))
    )
    assert not state.same_inputs(state_of(recorded(profile, x, x), empty(profile)))
    assert not state.same_inputs(state_of(recorded(profile, x[:-1]), empty(profile)))


def test_new_criteria_are_empty_and_know_the_profile(profile: Profile) -> None:
    idc = new_criteria(profile, SETTINGS)["IDC"]
    assert all(row.covered == 0 for row in idc.compute())
    assert next(row.total for row in idc.compute()) == sum(s.total() for s in profile.spaces)
