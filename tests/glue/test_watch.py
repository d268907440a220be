from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from pytest_deepimportance.glue.watch import Watch
from pytest_deepimportance.profile.file import deserialise
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.recording.recorder import Recorder
from pytest_deepimportance.settings import Settings
from tests.profile.builders import Mlp, profile_of, rows

X, _ = rows(40, seed=2)
FIXTURE = "fixture test_it.py::predictions"


@pytest.fixture(scope="module")
def profile() -> Profile:
    return profile_of(rows(100)).with_m("auto")


@pytest.fixture
def watch(profile: Profile) -> Iterator[Watch]:
    model = Mlp()
    recorder = Recorder(
        model, profile.sites, profile.layers, reduce="mean", tap="post", output=None,
        model_fingerprint=profile.model.fingerprint,
    )  # fmt: skip
    recorder.attach()
    yield Watch(model, None, profile, recorder, Settings())
    recorder.detach()


def run(watch: Watch, key: str, kind: str, a: int, b: int) -> None:
    watch.point_to((key, kind))
    with torch.no_grad():
        watch.model(X[a:b])
    watch.point_to(None)


def test_passes_go_to_the_block_pointed_to(watch: Watch) -> None:
    run(watch, "a", "test", 0, 3)
    run(watch, FIXTURE, "fixture", 3, 10)
    run(watch, "a", "test", 10, 12)
    with torch.no_grad():
        watch.model(X[:1])  # no block: dropped and counted
    states = watch.states(["a", FIXTURE, "unknown"])
    assert [(s.key, s.passes, len(s.digests)) for s in states] == [("a", 2, 5), (FIXTURE, 1, 7)]
    assert watch.has_passes("a")
    assert not watch.has_passes("unknown")


def test_states_are_made_again_only_when_the_block_changed(watch: Watch) -> None:
    run(watch, "a", "test", 0, 3)
    (first,) = watch.states(["a"])
    assert watch.states(["a"])[0] is first
    run(watch, "a", "test", 3, 4)
    (second,) = watch.states(["a"])
    assert second is not first
    assert len(second.digests) == 4


def test_a_state_is_sent_once_unless_it_changed_or_the_test_is_rerun(watch: Watch) -> None:
    run(watch, FIXTURE, "fixture", 0, 3)

    def sent(nodeid: str) -> int:
        return len(watch.unsent(watch.states([FIXTURE]), nodeid))

    assert [sent("a"), sent("b"), sent("a"), sent("b")] == [1, 0, 1, 0]
    run(watch, FIXTURE, "fixture", 3, 4)  # a lazy fixture works on
    assert [sent("b"), sent("a"), sent("b")] == [1, 0, 1]


def test_only_the_last_attempt_of_a_test_counts(watch: Watch) -> None:
    run(watch, "a", "test", 0, 3)
    watch.start_test("a")
    assert watch.states(["a"]) == []
    run(watch, "a", "test", 5, 6)
    assert len(watch.states(["a"])[0].digests) == 1


def test_passes_of_fixtures_are_counted_over_all_their_set_ups(watch: Watch) -> None:
    run(watch, FIXTURE, "fixture", 0, 3)
    run(watch, "fixture other", "fixture", 0, 3)
    run(watch, "a", "test", 0, 3)
    assert watch.unsent_fixture_passes() == {FIXTURE: 1, "fixture other": 1}
    assert watch.unsent_fixture_passes() == {}
    watch.release(FIXTURE)
    run(watch, FIXTURE, "fixture", 3, 5)
    assert watch.unsent_fixture_passes() == {FIXTURE: 2}


def test_the_profile_travels_once(watch: Watch, profile: Profile) -> None:
    data = watch.profile_bytes_once()
    assert data is not None
    assert deserialise(data, "worker").fingerprint == profile.fingerprint
    assert watch.profile_bytes_once() is None
