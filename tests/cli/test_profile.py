"""`deepimportance profile build|show|check` on a small model."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_deepimportance import Profile, build_profile
from tests.cli.conftest import Run
from tests.profile.builders import Mlp, content, rows

BUILD = ("profile", "build", "net.pth", "--factory", "app.py:net", "--reference", "app.py:train")


@pytest.fixture
def built(run: Run, folder: Path) -> tuple[Path, str]:
    code, out, err = run(*BUILD, "-o", "net.idc")
    assert (code, err) == (0, "")
    return folder / "net.idc", out


def test_build_writes_the_profile_of_the_api(built: tuple[Path, str]) -> None:
    path, out = built
    found, wanted = Profile.load(path), build_profile(Mlp(), rows(200, wrong=10))
    assert content(found) == content(wanted)
    assert found.fingerprint == wanted.fingerprint
    assert found.with_m("auto").spaces[0].m == wanted.spaces[0].m
    assert f"written    net.idc ({path.stat().st_size:,} bytes)" in out
    assert "pytest --idc-model net.pth --idc-factory app.py:net --idc-profile net.idc" in out
    assert found.model.spec == "net.pth"


def test_show_prints_what_build_printed(run: Run, built: tuple[Path, str]) -> None:
    code, shown, err = run("profile", "show", "net.idc")
    assert (code, err) == (0, "")
    assert built[1].startswith(shown)
    for text in ("190 fitted", "combinations of", "fc2[", "zeros=keep"):
        assert text in shown


def test_show_for_another_m(run: Run, built: tuple[Path, str]) -> None:
    code, out, _ = run("profile", "show", "net.idc", "--m", "2")
    assert code == 0
    assert out.count("in use") == 2


def test_check(run: Run, built: tuple[Path, str]) -> None:
    code, out, _ = run("profile", "check", "net.idc", "app.py:net")
    assert code == 0
    assert "belongs to" in out
    code, out, _ = run("profile", "check", "net.idc", "app.py:other")
    assert code == 1
    assert "does not belong" in out
    assert out.count("\n") >= 3


def test_settings_reach_the_profile(run: Run, folder: Path) -> None:
    code, _, _ = run(*BUILD, "-o", "a.idc", "--classes", "each", "--class-names", "ape,bee,cat",
                     "--idc-zeros", "drop", "--preset", "paper", "--no-samples")  # fmt: skip
    assert code == 0
    profile = Profile.load(folder / "a.idc")
    assert [space.class_name for space in profile.spaces] == ["ape", "bee", "cat"]
    assert profile.settings["zeros"] == "drop"
    assert profile.settings["lrp_rule"] == "z"
    assert (profile.counts["fc2:0"].first_index == -1).all()


def test_a_model_without_a_hidden_layer_gets_a_profile_without_idc(run: Run, folder: Path) -> None:
    code, out, _ = run("profile", "build", "app.py:nothing_hidden", *BUILD[3:], "-o", "a.idc")
    assert code == 0
    assert "IDC left out: the model has no hidden layer" in " ".join(out.split())
    assert not Profile.load(folder / "a.idc").spaces


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ((*BUILD[:5], "-o", "a.idc"), "--reference"),
        ((*BUILD, "-o", "."), "is a folder"),
        ((*BUILD, "-o", "app.py/a.idc"), "cannot be written"),
        ((*BUILD, "-o", "a.idc", "--preset", "papr"), "did you mean paper"),
        ((*BUILD, "-o", "a.idc", "--layer", "fc22"), "fc2"),
        ((*BUILD, "-o", "a.idc", "--m", "0"), "auto"),
        (("profile", "show", "absent.idc"), "profile build"),
        (("profile", "show", "net.pth"), "not a profile file"),
        (("profile", "check", "absent.idc", "app.py:net"), "not found"),
    ],
)
def test_mistakes(run: Run, folder: Path, arguments: tuple[str, ...], hint: str) -> None:
    code, _, err = run(*arguments)
    assert code == 2
    assert hint in err
    assert "Traceback" not in err
    assert not list(folder.glob("*.idc"))


@pytest.mark.parametrize(("m", "hint"), [("abc", "idc-m"), ("0", "1 or more"), ("13", "12 of 14")])
def test_show_for_an_impossible_m(run: Run, built: tuple[Path, str], m: str, hint: str) -> None:
    code, _, err = run("profile", "show", "net.idc", "--m", m)
    assert code == 2
    assert hint in err
