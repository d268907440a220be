from __future__ import annotations

from pathlib import Path

import pytest

from pytest_deepimportance.glue.options import check_early, path_in, refuse_unknown_options
from pytest_deepimportance.settings import from_keywords


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("weights/net.pth", "weights/net.pth"),
        ("net.pth", "net.pth"),
        ("src/net.py:Net", "src/net.py"),
        ("net.py:Net", "net.py"),
        ("../data", "../data"),
        (".", "."),
        ("there", "there"),
        ("/abs/net.pth", "/abs/net.pth"),
        ("~/net.pth", "~/net.pth"),
        ("app.model:Net", ""),
        ("torchvision:resnet18", ""),
        ("torchvision:MNIST:train", ""),
        ("DEFAULT", ""),
        ("none", ""),
    ],
)
def test_paths_in_values_of_an_ini_file(tmp_path: Path, value: str, path: str) -> None:
    (tmp_path / "there").mkdir()
    assert path_in(value, tmp_path) == path


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
