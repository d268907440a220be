"""Paths of the command line in workers, and names of references that every machine shares."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_deepimportance.glue.options import settings_of
from pytest_deepimportance.glue.places import (
    STARTED,
    below_root,
    command_line_folder,
    started,
)


def test_a_worker_elsewhere_finds_the_files_of_the_command_line(
    pytester: pytest.Pytester, tmp_path: Path
) -> None:
    (pytester.path / "pytest.ini").write_text("[pytest]\n")
    given = ("--idc-model=net.pth", "--idc-reference=app.data:train", "--idc-profile=../a.idc")
    config: Any = pytester.parseconfig(*given)
    assert settings_of(config).model == "net.pth"
    config.workerinput = {STARTED: "sub"}
    (pytester.path / "sub").mkdir()
    found = settings_of(config)
    assert found.model == str(pytester.path / "sub" / "net.pth")
    assert found.profile == str(pytester.path / "a.idc")
    assert found.reference == "app.data:train"
    assert found.origins["model"] == "command line"


def test_a_worker_here_reads_paths_as_everybody_does(pytester: pytest.Pytester) -> None:
    (pytester.path / "pytest.ini").write_text("[pytest]\n")
    (pytester.path / "sub").mkdir()
    controller: Any = pytester.parseconfig()
    assert command_line_folder(controller) is None
    told = started(controller)
    assert told == "."
    os.chdir(pytester.path / "sub")
    assert started(pytester.parseconfig("-c", "../pytest.ini")) == "sub"
    os.chdir(pytester.path)
    worker = SimpleNamespace(workerinput={STARTED: told}, rootpath=controller.rootpath)
    assert command_line_folder(worker) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ("{root}/data/ref.npz", "data/ref.npz"),
        ("ref.npz", "data/ref.npz"),
        ("{root}/data/ref.py:make", "data/ref.py:make"),
        ("{root}/data", "data"),
        ("data:make", "data:make"),
        ("{root}/absent.npz", "{root}/absent.npz"),
        ("{up}", "{up}"),
        ("torchvision:MNIST:train", "torchvision:MNIST:train"),
    ],
)
def test_a_reference_is_named_from_the_root_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str, wanted: str
) -> None:
    (tmp_path / "data" / "data").mkdir(parents=True)
    for name in ("ref.npz", "ref.py"):
        (tmp_path / "data" / name).touch()
    monkeypatch.chdir(tmp_path / "data")
    names = {"root": tmp_path, "up": tmp_path.parent}
    assert below_root(spec.format(**names), tmp_path) == wanted.format(**names)
