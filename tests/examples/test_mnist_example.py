"""The MNIST example: skips with its reason without data, and measures with it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_deepimportance.reporting.json_report import load
from tests.examples.sample_modules import FIXTURES, ROOT, imported

pytest.importorskip("torchvision")


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("repository")
    ignore = shutil.ignore_patterns("__pycache__", ".pytest_cache", "data")
    target = home / "sample_project" / "mnist"
    shutil.copytree(ROOT / "sample_project" / "mnist", target, ignore=ignore)
    shutil.copytree(FIXTURES, home / "fixtures", ignore=ignore)
    return target


def run(folder: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("IDC_")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "--color=no", *options],
        cwd=folder, capture_output=True, text=True, timeout=300, check=False,
        env={**kept, "OMP_NUM_THREADS": "1", "PYTEST_ADDOPTS": "", **variables},
    )  # fmt: skip


def test_without_data_every_test_skips_and_says_why(example: Path) -> None:
    done = run(example, "-rs")
    assert done.returncode == 0, done.stdout
    assert "12 skipped" in done.stdout.splitlines()[-1]
    assert "set IDC_DATA" in done.stdout


def test_download_is_asked_for_only_when_the_user_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDC_DATA", str(tmp_path))
    monkeypatch.delenv("IDC_DOWNLOAD", raising=False)
    with imported(ROOT / "sample_project" / "mnist", "mnist_app", "data") as app:
        asked: list[dict[str, object]] = []
        monkeypatch.setattr(app.data, "MNIST", lambda root, **given: asked.append(given))
        assert app.data.find_root() is None
        app.data.load_split(tmp_path, train=True)
        monkeypatch.setenv("IDC_DOWNLOAD", "1")
        assert app.data.find_root() == tmp_path / "mnist"
        app.data.load_split(tmp_path, train=True)
    assert [given["download"] for given in asked] == [False, True]


def test_with_data_the_suite_is_measured(example: Path) -> None:
    data = os.environ.get("IDC_DATA")
    if data is None or not (Path(data) / "mnist" / "MNIST" / "raw").is_dir():
        pytest.skip("no MNIST: set IDC_DATA")
    done = run(example, "--idc-report=json:idc.json", IDC_DATA=data)
    assert done.returncode == 0, done.stdout
    (report,) = load(example / "idc.json")
    suite = report.suite("mnist")
    assert suite is not None
    assert report.reference.usable == 60_000
    assert (suite.inputs, suite.labelled) == (1200, 1200)
    assert (suite.accuracy or 0) > 0.97
    assert (suite.criteria["IDC"].share or 0) > 0.8
