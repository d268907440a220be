from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pytest_deepimportance.data.reference import open_reference
from pytest_deepimportance.engine import opening
from pytest_deepimportance.engine.profiles import describe_model, load_profile, obtain_profile
from pytest_deepimportance.errors import ProfileError
from pytest_deepimportance.models.wrappers import eager
from pytest_deepimportance.settings import from_keywords
from tests.profile.builders import Mlp, content, rows


def obtain(folder: Path | None, data: Any, *, from_spec: bool = False, name: str = "", **rest: Any):  # type: ignore[no-untyped-def]
    run_id = rest.pop("run_id", None)
    settings = from_keywords(**rest)
    reference = open_reference(data, settings, from_spec=from_spec, descriptor=name or None)
    model = Mlp()
    return obtain_profile(
        model, reference, settings, model_info=describe_model(model, name), cache=folder,
        run_id=run_id,
    )  # fmt: skip


def test_equal_data_is_read_from_the_cache(tmp_path: Path) -> None:
    assert obtain(tmp_path, rows(60)).origin == "built"
    assert obtain(tmp_path, rows(60)).origin == "cached"
    assert obtain(tmp_path, rows(60, seed=2)).origin == "built"
    assert obtain(tmp_path, rows(60), m=3).origin == "cached"
    assert obtain(tmp_path, rows(60), zeros="drop").origin == "built"
    assert obtain(None, rows(60)).origin == "built"


def test_a_sample_and_the_whole_are_not_taken_for_each_other(tmp_path: Path) -> None:
    data = rows(10_300)
    sample = obtain(tmp_path, data, from_spec=True, m=13)
    whole = obtain(tmp_path, data, m=13)
    assert (sample.reference.rows, whole.reference.rows) == (10_000, 10_300)
    assert whole.origin == "built"


def test_a_cached_profile_carries_the_names_of_today(tmp_path: Path) -> None:
    obtain(tmp_path, rows(60), name="old.pth")
    found = obtain(tmp_path, rows(60), name="new.pth")
    assert found.origin == "cached"
    assert (found.model.spec, found.reference.descriptor) == ("new.pth", "new.pth")


class Stream:
    """An iterable of batches: it has no fingerprint."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        x, y = rows(60)
        yield from zip(x.split(20), y.split(20), strict=True)


def test_a_reference_without_identity_is_shared_within_one_run_only(tmp_path: Path) -> None:
    assert obtain(tmp_path, Stream()).origin == "built"
    assert os.listdir(tmp_path) == []
    assert obtain(tmp_path, Stream(), run_id="1").origin == "built"
    assert obtain(tmp_path, Stream(), run_id="1").origin == "cached"
    assert obtain(tmp_path, Stream(), run_id="2").origin == "built"
    assert obtain(tmp_path, Stream(), reference_id="mine").origin == "built"
    assert obtain(tmp_path, Stream(), reference_id="mine").origin == "cached"
    assert content(obtain(None, Stream())) == content(obtain(None, rows(60)))


def test_profile_files_are_checked_against_model_and_settings(tmp_path: Path) -> None:
    path = tmp_path / "model.idc"
    obtain(None, rows(60)).save(path)
    assert load_profile(path, Mlp(), from_keywords(m=2)).origin == str(path)
    with pytest.raises(ProfileError, match=r"model\.idc was built for a Mlp with fingerprint"):
        load_profile(path, Mlp(seed=5), from_keywords())
    with pytest.raises(ProfileError, match="zeros"):
        load_profile(path, Mlp(), from_keywords(zeros="drop"))


def test_a_compiled_model_is_the_model_behind_it() -> None:
    model = Mlp()
    compiled: Any = torch.compile(model, backend="eager")
    assert eager(compiled) is model
    assert eager(model) is model
    assert describe_model(compiled) == describe_model(model)
    info = describe_model(model, "net.py:Mlp", ("said",))
    assert (info.spec, info.type, info.notes) == ("net.py:Mlp", "Mlp", ("said",))
    assert info.parameters == sum(p.numel() for p in model.parameters())


def test_references_in_all_forms(tmp_path: Path) -> None:
    settings = from_keywords()
    opened = open_reference(rows(30), settings)
    assert opening.as_reference(opened, settings) is opened
    assert opening.as_reference(rows(30), settings).rows == 30
    (tmp_path / "data.py").write_text(
        "from tests.profile.builders import rows\n\ndef train():\n    return rows(25)\n"
    )
    for spec in (f"{tmp_path / 'data.py'}:train", f"{tmp_path}/data.py:train"):
        assert opening.as_reference(spec, settings).rows == 25
