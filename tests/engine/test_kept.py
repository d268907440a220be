"""Rows that small blocks keep are measured as if their blocks had been."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from pytest_deepimportance.criteria import base
from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.engine.assemble import assemble
from pytest_deepimportance.engine.contexts import contributions
from pytest_deepimportance.engine.kept import to_be_kept
from pytest_deepimportance.engine.reducing import measured, state_of
from pytest_deepimportance.engine.sessions import SessionState
from pytest_deepimportance.engine.states import BlockState, new_criteria
from pytest_deepimportance.engine.wire import packed, unpacked
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.recording.blocks import Block
from pytest_deepimportance.recording.recorded import Measured, RecordedPass
from pytest_deepimportance.results import CriterionRow
from tests.engine.builders import SETTINGS, batch_of, session
from tests.profile.builders import profile_of, rows

X, Y = rows(90, seed=2)
SPANS = {"a": (0, 1), "b": (0, 12), "c": (10, 70), "d": (70, 71), "e": (71, 72), "f": (72, 90)}


@pytest.fixture(scope="module", params=["", "each"])
def profile(request: pytest.FixtureRequest) -> Profile:
    x, y = rows(200)
    # Two inputs of the tests are in the reference too.
    data = torch.cat([x, X[:1], X[75:76]]), torch.cat([y, Y[:1], Y[75:76]])
    return profile_of(data, classes=request.param or "all").with_m("auto")


def block_of(key: str, batch: ActivationBatch) -> Block:
    block = Block(key, "test")
    recorded = RecordedPass(Measured(batch.layers, batch.digests), labels=batch.labels)
    recorded.batch  # noqa: B018 (made here, so that the predictions can be set)
    recorded._batch = batch
    block.commit(recorded)
    return block


def states(profile: Profile, *, keep: bool) -> list[BlockState]:
    criteria = new_criteria(profile, SETTINGS)
    whole = batch_of(X, Y)
    found = []
    for key, (first, last) in SPANS.items():
        block = block_of(key, whole.select(np.arange(first, last)))
        if keep:
            state = state_of(block, criteria, profile.digests)
            (state,) = unpacked([(key, packed([state])[0])])
        else:
            state = measured(
                key, "test", block.batches(), criteria, reference=profile.digests, non_finite={}
            )
        found.append(state)
    return found


def session_of(found: list[BlockState]) -> SessionState:
    own = {
        s.key: ("default", "failed" if s.key == "b" else "passed", [("s", s.key)]) for s in found
    }
    return session(own, [("s", state) for state in found])


def test_only_small_blocks_keep_their_rows(profile: Profile) -> None:
    kept = [state.key for state in states(profile, keep=True) if state.kept]
    assert kept == ["a", "b", "d", "e", "f"]
    assert all(state.waiting == () and not state.kept for state in states(profile, keep=False))


def test_the_report_is_the_same(profile: Profile) -> None:
    reports = [
        assemble(profile, SETTINGS, session_of(states(profile, keep=keep))).total
        for keep in (True, False)
    ]
    kept, measured_at_once = (
        dataclasses.replace(total, criteria={}, leaks=None) for total in reports
    )
    assert kept == measured_at_once
    assert reports[0].criteria == reports[1].criteria
    assert reports[0].leaks == reports[1].leaks
    assert reports[0].leaks is not None
    assert reports[0].leaks.inputs == 2


def test_what_each_test_adds_is_the_same(profile: Profile) -> None:
    found = [
        contributions(session_of(states(profile, keep=keep)), profile, SETTINGS)
        for keep in (True, False)
    ]
    assert found[0] == found[1]
    assert found[0].items > 0


def test_rows_too_large_to_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = batch_of(X[:2])
    assert to_be_kept([batch, batch])
    assert to_be_kept([]) == ()
    monkeypatch.setattr("pytest_deepimportance.engine.kept._KEPT_BYTES", 100)
    assert to_be_kept([batch]) == ()


def test_a_users_criterion_is_measured_with_its_test(profile: Profile) -> None:
    class Toy(base.Criterion):
        name, needs = "TOY", ()

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("rows", torch.zeros(1, dtype=torch.int64))

        def update(self, batch: ActivationBatch) -> None:
            self.rows += len(batch)

        def merge(self, other: Toy) -> None:  # type: ignore[override]
            self.rows += other.rows

        def compute(self) -> tuple[CriterionRow, ...]:
            return (CriterionRow(self.name, "count", int(self.rows), 0),)

        def reset(self) -> None:
            self.rows.zero_()

    criteria = {**new_criteria(profile, SETTINGS), "TOY": Toy()}
    state = state_of(block_of("a", batch_of(X[:3])), criteria)
    assert list(state.criteria) == ["TOY"]
    assert "TOY" not in state.waiting
    assert "IDC" in state.waiting
    assert set(state.measures) == set(criteria)
