from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_deepimportance.glue.resources import cache_folder, missing_files, shown
from pytest_deepimportance.settings import from_keywords


def test_absent_files_are_found_and_names_are_no_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.pth").write_text("")
    (tmp_path / "net.py").write_text("")
    (tmp_path / "data").mkdir()
    for present in ("net.pth", "net.py:Net", "app.model:Net", "torchvision:resnet18", "./data"):
        assert missing_files(from_keywords(model=present)) == ""
    for absent, said in (
        ("gone.pth", "gone.pth"), ("weights/net.pth", "weights/net.pth"),
        ("gone.py:Net", "gone.py"), ("src/net.py:Net", "src/net.py"),
    ):  # fmt: skip
        assert missing_files(from_keywords(model=absent)) == said
    assert missing_files(from_keywords(model="net.pth", profile="a.idc")) == "a.idc"
    assert missing_files(from_keywords(model="net.pth", reference="data/x.npz")) == "data/x.npz"
    assert missing_files(from_keywords()) == ""


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ("/home/a/weights/net.pth", "net.pth"),
        ("src/net.py:Net", "net.py:Net"),
        ("app.model:Net", "app.model:Net"),
        ("net.pth", "net.pth"),
        ("torchvision:resnet18", "torchvision:resnet18"),
    ],
)
def test_paths_are_shown_by_their_file_name(spec: str, wanted: str) -> None:
    assert shown(spec) == wanted


def config(tmp_path: Path, error: type[OSError] | None = None, **rest: Any) -> Any:
    def mkdir(name: str) -> Path:
        if error is not None:
            raise error("read-only")
        return tmp_path / name

    return SimpleNamespace(cache=SimpleNamespace(mkdir=mkdir), **rest)


def test_the_cache_is_pytests_own(tmp_path: Path) -> None:
    assert cache_folder(config(tmp_path)) == tmp_path / "idc"


def test_without_a_cache_only_workers_share_a_folder(tmp_path: Path) -> None:
    worker = {"testrunuid": "0123abc"}
    for error in (PermissionError, FileExistsError):
        assert cache_folder(config(tmp_path, error)) is None
        shared = cache_folder(config(tmp_path, error, workerinput=worker))
        assert shared is not None
        assert shared.name == "pytest-deepimportance-0123abc"
    assert cache_folder(SimpleNamespace()) is None  # type: ignore[arg-type]
    assert cache_folder(SimpleNamespace(workerinput=worker)) == shared  # type: ignore[arg-type]
