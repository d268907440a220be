"""Pictures of inputs that opened combinations: which, in which order, and how they are named."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pytest_deepimportance.data.thumbnails import Thumbnail
from pytest_deepimportance.engine.pictures import pictures
from pytest_deepimportance.engine.sessions import TestState
from pytest_deepimportance.engine.states import BlockState
from pytest_deepimportance.engine.wire import packed, unpacked
from pytest_deepimportance.pictures import SHOWN
from pytest_deepimportance.profile.model import Profile
from tests.engine.builders import batch_of, state_of_rows
from tests.engine.test_suites import profile  # noqa: F401  (a fixture)
from tests.profile.builders import rows


def recorded(found: Profile, key: str, seed: int, labelled: bool = True) -> BlockState:
    """A block whose every input has an image that says where it stood."""
    x, y = rows(40, seed=seed)
    space = found.whole_spaces[0]
    state = state_of_rows(found, key, x, y if labelled else None)
    images = {
        digest: Thumbnail(f"{key} {row}".encode(), 0.0, 1.0)
        for row, digest in enumerate(state.digests.tolist())
    }
    codes = {space.name: space.encode(batch_of(x))}
    return state._replace(codes=codes, thumbnails=images)


def claiming(nodeid: str, *keys: str) -> TestState:
    return TestState(nodeid, "s", "passed", True, tuple(("w", key) for key in keys), 1, 40, "")


TESTS = [claiming("a", "a"), claiming("b", "fixture ::b.py::shared[0]", "b")]


def blocks(found: Profile) -> list[BlockState]:
    return [
        recorded(found, "a", 2), recorded(found, "fixture ::b.py::shared[0]", 3),
        recorded(found, "b", 4, labelled=False),
    ]  # fmt: skip


def by_loops(states: Sequence[BlockState], m: int) -> list[tuple[bytes, tuple[int, ...]]]:
    """The image and the combination of each input that opened one, by plain loops."""
    seen, inputs, result = set(), set(), []
    for state in sorted(states, key=lambda state: state.key):
        (codes,) = state.codes.values()
        for digest, row in zip(state.digests.tolist(), codes.tolist(), strict=True):
            combination = tuple(row[:m])
            if digest not in inputs and combination not in seen:
                result.append((state.thumbnails[digest].png, combination))
            seen.add(combination)
            inputs.add(digest)
    return result


def test_the_first_inputs_that_opened_one_equal_plain_loops(profile: Profile) -> None:  # noqa: F811
    states = blocks(profile)
    found = pictures(profile, states, TESTS)
    assert found is not None
    assert found == pictures(profile, states[::-1], TESTS)
    expected = by_loops(states, profile.whole_spaces[0].m)
    assert found.opened == len(expected)
    assert [(p.png, p.combination) for p in found.shown] == expected[:SHOWN]
    assert {picture.source for picture in found.shown} == {"a", "b", "b, fixture shared[0]"}
    for picture in found.shown:
        row = int(picture.png.split()[-1])
        assert picture.row == row
        assert (picture.label is None) == (picture.source == "b")
        assert picture.predicted in ("ape", "bee", "cat")


def test_reference_inputs_that_show_it_are_counted(profile: Profile) -> None:  # noqa: F811
    found = pictures(profile, blocks(profile), TESTS)
    assert found is not None
    space = profile.whole_spaces[0]
    reference = [tuple(c) for c in space.encode(batch_of(rows(300)[0]))[:, : space.m].tolist()]
    for picture in found.shown:
        assert picture.reference_rows == reference.count(picture.combination)


def test_without_images_or_without_one_space_there_are_none(profile: Profile) -> None:  # noqa: F811
    plain = [state._replace(thumbnails={}) for state in blocks(profile)]
    assert pictures(profile, plain, TESTS) is None
    assert pictures(profile, [], TESTS) is None
    blind = [state._replace(codes={}) for state in blocks(profile)]
    assert pictures(profile, blind, TESTS) is None


def test_blocks_of_one_test_are_counted_on(profile: Profile) -> None:  # noqa: F811
    states = [recorded(profile, "s", 2), recorded(profile, "s#000001", 3)]
    found = pictures(profile, states, [claiming("s", "s", "s#000001")])
    assert found is not None
    for picture in found.shown:
        key, row = picture.png.decode().split()
        assert (picture.source, picture.row) == ("s", int(row) + (40 if key != "s" else 0))


def test_images_travel(profile: Profile) -> None:  # noqa: F811
    state = recorded(profile, "a", 2)
    largest = {2**64 - 1: Thumbnail(b"png", -0.5, 2.0)}
    state = state._replace(thumbnails={**state.thumbnails, **largest})
    (again,) = unpacked([(state.key, packed([state])[0])])
    assert again.thumbnails == state.thumbnails


def test_a_page_shows_a_limited_number(
    profile: Profile,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = pictures(profile, blocks(profile), TESTS)
    monkeypatch.setattr("pytest_deepimportance.engine.pictures.SHOWN", 3)
    found = pictures(profile, blocks(profile), TESTS)
    assert whole is not None
    assert found is not None
    assert (found.opened, found.shown) == (whole.opened, whole.shown[:3])
