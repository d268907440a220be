"""Profile files: what is written comes back exactly, and what is no whole profile is refused."""

from __future__ import annotations

import dataclasses
import json
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save as save_arrays

from pytest_deepimportance.errors import ProfileError
from pytest_deepimportance.profile.file import deserialise, load, save, serialise
from pytest_deepimportance.profile.model import Profile
from tests.profile.builders import content, profile_of, rows

CHOICES = [
    {"scope": scope, "classes": classes}
    for scope in ("layer", "all", "global")
    for classes in ("all", "each", "1")
]


@pytest.fixture(scope="module")
def profile() -> Profile:
    return profile_of(rows(200, wrong=20), class_names="ape,bee,cat")


@pytest.mark.parametrize("choice", CHOICES, ids=lambda c: f"{c['scope']}-{c['classes']}")
def test_round_trip_is_exact(choice: dict[str, Any], tmp_path: Path) -> None:
    profile = profile_of(rows(200, wrong=20), class_names="ape,bee,cat", **choice)
    path = tmp_path / "deep" / "model.idc"
    profile.save(path)
    found = Profile.load(path)
    assert found.origin == str(path)
    assert content(found) == content(profile)
    for name in ("model", "reference", "sites", "settings", "notes", "fingerprint"):
        assert getattr(found, name) == getattr(profile, name), name
    assert list(found.settings) == list(profile.settings)
    for one, other in zip(found.spaces, profile.spaces, strict=True):
        assert (one.scores, one.m, one.m_from) == (other.scores, other.m, other.m_from)
        for a, b in zip(one.clusterings, other.clusterings, strict=True):
            np.testing.assert_array_equal(a.centroids, b.centroids)
            assert (a.silhouette, a.inertia, a.sizes) == (b.silhouette, b.inertia, b.sizes)
    kept = [profile.importance, *profile.class_importance.values()]
    again = [found.importance, *found.class_importance.values()]
    assert list(found.class_importance) == list(profile.class_importance)
    for mine, theirs in zip(kept, again, strict=True):
        assert list(mine.scores) == list(theirs.scores)
        for layer in mine.scores:
            np.testing.assert_array_equal(mine.scores[layer], theirs.scores[layer])
        assert (mine.rows, mine.balance, mine.notes) == (theirs.rows, theirs.balance, theirs.notes)
    assert found.with_m("auto").info() == dataclasses.replace(
        profile.with_m("auto").info(), origin=str(path)
    )
    assert serialise(found) == serialise(profile)


def test_it_is_a_safetensors_file_without_pickle(profile: Profile, tmp_path: Path) -> None:
    path = tmp_path / "model.idc"
    profile.save(path)
    from safetensors import safe_open

    with safe_open(str(path), "numpy") as opened:
        assert json.loads(opened.metadata()["idc"])["kind"] == "deepimportance-profile"
    assert path.stat().st_size < 60_000


def test_any_single_damaged_byte_is_noticed(profile: Profile) -> None:
    data = serialise(profile)
    chance = random.Random(0)
    for _ in range(150):
        damaged = bytearray(data)
        damaged[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        with pytest.raises(ProfileError):
            deserialise(bytes(damaged), "model.idc")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hi",
        b"\xff" * 40,
        b"\x02\0\0\0\0\0\0\0[]",
        b"\x10\0\0\0\0\0\0\0" + b'{"__metadata__":1}'[:16],
        "truncated",
        "longer",
    ],
    ids=str,
)
def test_what_is_no_profile_is_refused(profile: Profile, data: bytes | str) -> None:
    whole = serialise(profile)
    made = {"truncated": whole[:-1], "longer": whole + b"x"}.get(str(data), data)
    assert isinstance(made, bytes)
    with pytest.raises(ProfileError, match=r"model\.idc") as caught:
        deserialise(made, "model.idc")
    assert caught.value.fix


def test_weights_are_told_from_a_profile() -> None:
    from safetensors.torch import save as save_tensors

    for weights in ({"w": torch.ones(2, dtype=torch.bfloat16)}, {"w": torch.ones(2)}):
        with pytest.raises(ProfileError, match=r"not a profile.*\n.*--idc-model"):
            deserialise(save_tensors(weights), "model.safetensors")


def header_of(data: bytes) -> dict[str, Any]:
    size = int.from_bytes(data[:8], "little")
    header: dict[str, Any] = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["idc"])
    return header


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"format": 1}, "format 1, this version reads 4"),
        ({"format": None}, "format None"),
        ({"kind": "another"}, "not a profile"),
        ({"spaces": []}, "damaged"),
        ({"notes": ["nothing to see"]}, "checksum"),
    ],
)
def test_other_kinds_and_formats(profile: Profile, change: dict[str, Any], hint: str) -> None:
    header = {**header_of(serialise(profile)), **change}
    data = save_arrays({}, metadata={"idc": json.dumps(header)})
    with pytest.raises(ProfileError, match=hint):
        deserialise(data, "model.idc")


@pytest.mark.parametrize(
    "header", ["[]", "{", "7", "[" * 100_000], ids=["list", "cut", "7", "deep"]
)
def test_headers_that_are_no_table(header: str) -> None:
    with pytest.raises(ProfileError, match="damaged"):
        deserialise(save_arrays({}, metadata={"idc": header}), "model.idc")


def test_a_failing_write_keeps_the_old_file(
    profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.idc"
    path.write_bytes(b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ProfileError, match="No space left"):
        save(profile, path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["model.idc"]

    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(profile, path)
    assert os.listdir(tmp_path) == ["model.idc"]


def test_places_that_cannot_be_written(profile: Profile, tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="is a folder"):
        save(profile, tmp_path)
    with pytest.raises(ProfileError, match="is a folder"):
        save(profile, Path())
    (tmp_path / "file").write_text("")
    with pytest.raises(ProfileError, match="cannot be written"):
        save(profile, tmp_path / "file" / "model.idc")


@pytest.mark.skipif(os.name != "posix", reason="permissions of Unix")
def test_others_may_read_it_as_the_umask_says(profile: Profile, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        save(profile, tmp_path / "model.idc")
    finally:
        os.umask(before)
    assert (tmp_path / "model.idc").stat().st_mode & 0o777 == 0o644


def test_an_absent_file_names_its_neighbours(profile: Profile, tmp_path: Path) -> None:
    save(profile, tmp_path / "lenet.idc")
    with pytest.raises(ProfileError, match=r"Nearest files there: lenet\.idc"):
        load(tmp_path / "lenett.idc")
    with pytest.raises(ProfileError, match="not found"):
        load(tmp_path / "no" / "model.idc")
    with pytest.raises(ProfileError, match="profile build"):
        load(tmp_path)
