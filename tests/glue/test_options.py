from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_deepimportance.glue.options import anchored, check_early, refuse_unknown_options
from pytest_deepimportance.settings import from_keywords


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("weights/net.pth", "{base}/weights/net.pth"),
        ("net.pth", "{base}/net.pth"),
        ("src/net.py:Net", "{base}/src/net.py:Net"),
        ("net.py:Net", "{base}/net.py:Net"),
        ("../data", "{up}/data"),
        (".", "{base}"),
        ("there", "{base}/there"),
        ("/abs/net.pth", "/abs/net.pth"),
        ("app.model:Net", "app.model:Net"),
        ("torchvision:resnet18", "torchvision:resnet18"),
        ("torchvision:MNIST:train", "torchvision:MNIST:train"),
        ("DEFAULT", "DEFAULT"),
        ("none", "none"),
    ],
)
@pytest.mark.skipif(os.name != "posix", reason="paths of Unix")
def test_paths_of_an_ini_file_start_at_its_folder(tmp_path: Path, value: str, wanted: str) -> None:
    (tmp_path / "there").mkdir()
    assert anchored(value, tmp_path) == wanted.format(base=tmp_path, up=tmp_path.parent)


def test_misspelled_options_are_refused_with_the_nearest() -> None:
    refuse_unknown_options(["tests", "-x", "--idc-model=a", "--idc-fail-under", "0.5", "--no-idc"])
    refuse_unknown_options(["--", "--idc-whatever"])
    for wrong, right in (("--idc-modle=a", "--idc-model"), ("--idc-failunder", "--idc-fail-under"),
                         ("--idc", "--idc-")):  # fmt: skip
        with pytest.raises(pytest.UsageError, match=right):
            refuse_unknown_options([wrong])


@pytest.mark.parametrize(
    ("setting", "value", "hint"),
    [
        ("fail_under", "1.5", "above 1"),
        ("fail_under", "IDCC=0.5", "IDC"),
        ("report", "pdf:x", "json:"),
        ("report", "json:", "json:PATH"),
        ("report", "idc.json", "json:PATH"),
    ],
)
def test_mistakes_that_are_found_before_anything_runs(setting: str, value: str, hint: str) -> None:
    check_early(from_keywords(fail_under="0.5 # why", report="json:a/b.json"))
    with pytest.raises(pytest.UsageError, match=hint):
        check_early(from_keywords(**{setting: value}))
