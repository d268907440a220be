"""The shipped answers are the slow twins', the checks find a wrong one, and the wheel holds them."""

from __future__ import annotations

import copy
import socket
import zipfile
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch

from pytest_deepimportance.cli.main import main
from pytest_deepimportance.selfcheck import criteria_cases, digits, running, stored
from tests.examples.sample_modules import FIXTURES, imported
from tests.oracles import make_selfcheck

ROOT = Path(__file__).parents[2]


def test_the_stored_answers_are_what_the_slow_twins_give_now() -> None:
    assert make_selfcheck.TARGET.read_text(encoding="utf-8") == make_selfcheck.text(), (
        "python -m tests.oracles.make_selfcheck"
    )


def test_network_and_split_are_the_sample_projects() -> None:
    own = files("pytest_deepimportance.selfcheck") / stored.WEIGHTS
    assert own.read_bytes() == (FIXTURES / "digits_lenet.safetensors").read_bytes()
    with imported(ROOT / "sample_project", "app", "model", "data") as app:
        theirs = app.model.load_classifier(FIXTURES / "digits_lenet.safetensors")
        for own_rows, their_rows in zip(digits.split(), app.data.split(), strict=True):
            np.testing.assert_array_equal(own_rows, their_rows)
        images, labels = app.data.load_test()
    found = digits.images_of(digits.split()[1])
    torch.testing.assert_close(found[0], images, rtol=0, atol=0)
    assert found[1].equal(labels)
    model = digits.DigitsLeNet().eval()
    model.load_state_dict(stored.weights())
    with torch.no_grad():
        torch.testing.assert_close(model(images), theirs(images), rtol=1e-6, atol=1e-6)


def test_it_passes_here_without_network(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(socket.socket, "connect", refused)
    assert main(["selfcheck"]) == 0
    out = capsys.readouterr().out
    cases = stored.cases()
    number = len(cases["criteria"]["cases"]) + len(cases["random suite"]) + len(cases["chi-square"])
    assert f"all {number + 6} checks passed" in out
    assert out.count(" pass\n") == number + 6
    for text in ("torch ", "numpy ", "python ", "pytest-deepimportance ", torch.__version__[:4]):
        assert text in out
    first, second = running.selfcheck(), running.selfcheck()
    assert first == second
    assert f"sha256 of the answers  {first.digest}" in out


def test_every_criterion_is_checked_and_few_answers_are_everything() -> None:
    from pytest_deepimportance.thresholds import MEASURED

    cases = stored.cases()["criteria"]["cases"]
    assert {case["criterion"] for case in cases} | {"IDC"} == set(MEASURED)
    ratios = [case["expected"].split(" of ") for case in cases if " of " in case["expected"]]
    assert all(0 < int(covered) < int(total) for covered, total in ratios)


def test_a_wrong_answer_is_found(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = running.selfcheck().digest
    wrong = copy.deepcopy(stored.cases())
    wrong["criteria"]["cases"][0]["expected"] = "3 of 12"
    monkeypatch.setattr(criteria_cases, "cases", lambda: wrong)
    assert main(["selfcheck"]) == 1
    out = capsys.readouterr().out
    assert "FAIL, expected 3 of 12" in out
    assert "1 check of " in out
    assert right in out  # what this machine computes is the same


def test_a_part_that_raises_fails_and_the_others_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged() -> dict[str, object]:
        raise OSError("the weights are damaged")

    monkeypatch.setattr(digits, "weights", damaged)
    assert main(["selfcheck"]) == 1
    out = capsys.readouterr().out
    assert "OSError: the weights are damaged" in out
    assert "MDSC" in out
    assert "1 check of " in out


def test_the_wheel_holds_the_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hatchling = pytest.importorskip("hatchling.build")
    monkeypatch.chdir(ROOT)
    wheel = hatchling.build_wheel(str(tmp_path))
    names = zipfile.ZipFile(tmp_path / wheel).namelist()
    for name in (stored.CASES, stored.WEIGHTS):
        assert f"pytest_deepimportance/selfcheck/{name}" in names
    assert "pytest_deepimportance/reporting/audit/style.css" in names
