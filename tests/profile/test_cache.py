"""One build for all who ask: the key, the lock, damage, and a cache that cannot be written."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_deepimportance.profile import cache
from pytest_deepimportance.profile.cache import cache_key, get_or_build
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.settings import TABLE, from_keywords
from tests.profile.builders import content, profile_of, rows

OTHER: dict[str, Any] = {
    "reference_samples": 50, "reference_id": "mine", "transform": "a:b", "no_samples": True,
    "k": 3, "k_range": (2, 3), "layer": "fc1", "scope": "all", "normalize": "none",
    "classes": "each", "zeros": "drop", "min_values": 5, "correct": "all", "target": "label",
    "importance_method": "random", "importance": "votes.csv", "importance_samples": 50, "attribution_steps": 5, "attribution_baseline": "mean",
    "attribution_samples": 3, "lrp_rule": "z", "lrp_epsilon": 1e-3, "lrp_gamma": 1.0,
    "lrp_alpha": 3.0, "lrp_low": (0.0,), "lrp_high": (1.0, 2.0), "tap": "pre", "reduce": "max", "output": "a:b",
    "seed": 1, "neuron_layers": "hidden", "surprise_layer": "fc1", "surprise_labels": "true",
    "trace_rows": 7, "null": "part=0.5", "random_orders": 0,
}  # fmt: skip


def key(model: str = "m", reference: str = "r", extra: Any = None, **settings: Any) -> str:
    return cache_key(model, reference, from_keywords(**settings), extra)


def test_every_profile_setting_has_another_value_above() -> None:
    assert set(OTHER) == {item.name for item in TABLE.values() if item.profile}


@pytest.mark.parametrize("name", OTHER)
def test_the_key_changes_with_every_setting_of_the_profile(name: str) -> None:
    assert key(**{name: OTHER[name]}) != key()


def test_the_key_changes_with_weights_data_names_rows_and_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys = [key(), key(model="n"), key(reference="s"), key(class_names="a,b"), key(extra=[5, []])]
    keys += [key(m=13), key(m=14), key(model="r", reference="m")]
    monkeypatch.setattr(cache, "__version__", "9.9")
    keys.append(key())
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    "same", [{"m": 3}, {"m": 12}, {"batch_size": 7}, {"memory": "1GB"}, {"fail_under": "0.5"}]
)
def test_the_key_ignores_what_does_not_change_the_profile(same: dict[str, Any]) -> None:
    assert key(**same) == key()


class Builder:
    def __init__(self, **settings: Any) -> None:
        self.calls, self.settings = 0, settings

    def __call__(self) -> Profile:
        self.calls += 1
        return profile_of(rows(60), **self.settings)


def test_built_once_then_read(tmp_path: Path) -> None:
    builder = Builder()
    first = get_or_build(tmp_path / "new" / "folder", "key", builder)
    second = get_or_build(tmp_path / "new" / "folder", "key", builder)
    assert builder.calls == 1
    assert (first.origin, second.origin) == ("built", "cached")
    assert content(first) == content(second)
    get_or_build(tmp_path / "new" / "folder", "other key", builder)
    assert builder.calls == 2


@pytest.mark.parametrize("damage", [b"", b"text", "flipped", "cut"])
def test_a_damaged_file_is_built_again(tmp_path: Path, damage: bytes | str) -> None:
    builder = Builder()
    get_or_build(tmp_path, "key", builder)
    path = tmp_path / "key.idc"
    whole = path.read_bytes()
    flipped = whole[:-9] + bytes([whole[-9] ^ 4]) + whole[-8:]
    path.write_bytes({"flipped": flipped, "cut": whole[:-1]}.get(str(damage), damage))  # type: ignore[arg-type]
    assert get_or_build(tmp_path, "key", builder).origin == "built"
    assert builder.calls == 2
    assert get_or_build(tmp_path, "key", builder).origin == "cached"


def test_a_failing_build_leaves_nothing_behind_and_frees_the_lock(tmp_path: Path) -> None:
    def broken() -> Profile:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        get_or_build(tmp_path, "key", broken)
    assert not list(tmp_path.glob("*.idc"))
    assert get_or_build(tmp_path, "key", Builder()).origin == "built"


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    profile = get_or_build(tmp_path / "file" / "cache", "key", Builder())
    assert profile.origin == "built"
    assert "not cached" in profile.notes[-1]
    (tmp_path / "key.idc").mkdir()  # a folder where the file should be
    profile = get_or_build(tmp_path, "key", Builder())
    assert "not cached" in profile.notes[-1]
    assert content(profile) == content(Builder()())


def _ask(folder: Path, log: Path) -> None:
    def build() -> Profile:
        with log.open("a") as file:
            file.write(f"{os.getpid()}\n")
        return profile_of(rows(60))

    found = get_or_build(folder, "key", build)
    with log.with_suffix(".got").open("a") as file:
        file.write(f"{found.fingerprint}\n")


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="needs fork to be quick"
)
def test_two_processes_build_once(tmp_path: Path) -> None:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a forked child must not wait for threads it does not have
    try:
        context = multiprocessing.get_context("fork")
        asking = [
            context.Process(target=_ask, args=(tmp_path / "cache", tmp_path / "log"))
            for _ in range(2)
        ]
        for process in asking:
            process.start()
        for process in asking:
            process.join(60)
    finally:
        torch.set_num_threads(threads)
    assert [process.exitcode for process in asking] == [0, 0]
    assert len((tmp_path / "log").read_text().split()) == 1
    got = (tmp_path / "log.got").read_text().split()
    assert len(got) == 2
    assert len(set(got)) == 1


def test_other_answers_of_the_model_build_again(tmp_path: Path) -> None:
    build = Builder()
    given = np.array([[1.0, -2.0], [np.nan, 0.0]])
    assert get_or_build(tmp_path, "k", build, given).origin == "built"
    assert get_or_build(tmp_path, "k", build, given + 1e-4).origin == "cached"
    assert get_or_build(tmp_path, "k", build).origin == "cached"
    assert get_or_build(tmp_path, "k", build, given + 1e-2).origin == "built"
    assert get_or_build(tmp_path, "k", build, given + 1e-2).origin == "cached"
    assert get_or_build(tmp_path, "k", build, given[:1]).origin == "built"
    (tmp_path / "k.npy").write_bytes(b"damaged")
    assert get_or_build(tmp_path, "k", build, given[:1]).origin == "built"
    assert build.calls == 4
