"""The command lines that messages print: typed as they stand, they do what they say."""

from __future__ import annotations

import dataclasses
import shlex

import pytest

from pytest_deepimportance.errors import ProfileError
from pytest_deepimportance.profile.command import build_command, run_command, typed, without
from pytest_deepimportance.settings import resolve
from tests.profile.builders import profile_of, rows


def test_a_setting_is_typed_as_an_option_where_it_needs_one() -> None:
    assert typed("k", 3) == "--idc-k 3"
    assert typed("k_range", [2, 3]) == "--idc-k-range 2,3"
    assert typed("no_samples", True) == "--idc-no-samples"
    assert typed("factory", "my app/net.py:Net") == "--idc-factory 'my app/net.py:Net'"
    assert [typed("no_samples", False), typed("layer", None), typed("class_names", ())] == [""] * 3


def test_running_takes_along_what_the_profile_does_not_hold() -> None:
    settings = resolve(
        [("command line", {"factory": "app:Net", "preset": "neural-coverage", "m": "4"})]
    )
    assert run_command("net.pth", settings, "a b.idc") == (
        "pytest --idc-model net.pth --idc-factory app:Net --idc-preset neural-coverage --idc-m 4 "
        "--idc-profile 'a b.idc'"
    )


def test_building_again_keeps_what_was_chosen_and_takes_what_is_asked_for() -> None:
    profile = profile_of(rows(60), tap="pre", k_range=(2, 3))
    settings = resolve([("ini", {"model": "net.pth"}), ("command line", {"k": 2, "tap": "post"})])
    words = shlex.split(build_command(profile, settings))
    assert words[:4] == ["deepimportance", "profile", "build", "net.pth"]
    options = dict(zip(words[4::2], words[5::2], strict=True))
    assert options["--idc-k"] == "2"
    assert options["--idc-k-range"] == "2,3"
    assert "--idc-tap" not in options  # post is the default
    assert options["-o"] == "model.idc"


@pytest.mark.parametrize(
    ("sources", "drop"),
    [
        ([("command line", {"tap": "pre"})], "Drop --idc-tap, or"),
        ([("ini", {"tap": "pre"})], "Drop idc_tap (ini file), or"),
        ([("ini", {"preset": "neural-coverage"})], "Drop --idc-preset neural-coverage, or"),
        ([("keyword", {"tap": "pre"})], "Drop tap (keyword), or"),
    ],
)
def test_a_contradiction_says_what_to_drop_and_how_to_build(sources, drop) -> None:
    with pytest.raises(ProfileError) as caught:
        profile_of(rows(60)).check_settings(resolve(sources))
    assert drop in caught.value.fix
    assert caught.value.fix.splitlines()[1].startswith("deepimportance profile build ")
    assert "--idc-tap pre" in caught.value.fix


def test_what_to_drop_of_a_preset_is_the_preset() -> None:
    assert without("k", "preset wisdom") == "--idc-preset wisdom"


def test_data_and_models_of_a_program_are_no_specifications() -> None:
    command, explained = build_command(profile_of(rows(60)), resolve([])).split("\n")
    assert " --idc-reference REFERENCE " in command
    assert "tensor (60, 4) float32 with labels" in explained
    given = resolve([("ini", {"reference": "app.data:train", "model": "net.pth"})])
    assert "\n" not in build_command(profile_of(rows(60)), given)
    described = dataclasses.replace(profile_of(rows(60)).model, spec="Mlp")
    without_file = dataclasses.replace(profile_of(rows(60)), model=described)
    assert build_command(without_file, resolve([])).startswith("deepimportance profile build MODEL")


@pytest.mark.parametrize(
    "spec",
    ["app.data:train", "my data.py:train", "torchvision:MNIST:train", "x/a b.npz", "t.jsonl"],
)
def test_specifications_are_typed_as_they_were(spec) -> None:
    profile = profile_of(rows(60))
    named = dataclasses.replace(profile.reference, descriptor=spec)
    command = build_command(dataclasses.replace(profile, reference=named), resolve([]))
    assert shlex.split(command)[shlex.split(command).index("--idc-reference") + 1] == spec
