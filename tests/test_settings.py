from __future__ import annotations

import dataclasses
import json

import pytest

from pytest_deepimportance.errors import SettingsError
from pytest_deepimportance.settings import PRESETS, TABLE, Settings, from_keywords, resolve


def test_defaults() -> None:
    settings = resolve([])
    assert settings == Settings()
    assert set(settings.origins) == set(TABLE)
    assert set(settings.origins.values()) == {"default"}
    assert (settings.m, settings.k, settings.k_range, settings.lrp_epsilon) == ("auto", "auto", (2, 3, 4), 1e-6)  # fmt: skip
    assert (settings.correct, settings.zeros, settings.scope) == ("only", "keep", "layer")


def test_later_sources_win() -> None:
    settings = resolve(
        [
            ("ini", {"m": "4", "layer": "fc1", "preset": "paper"}),
            ("command line", {"layer": "fc2", "m": None}),
            ("marker", {"k": 2}),
        ]
    )
    assert (settings.m, settings.layer, settings.k, settings.lrp_rule) == (4, "fc2", 2, "z")
    assert [settings.origins[name] for name in ("m", "layer", "k", "lrp_rule", "seed")] == [
        "ini",
        "command line",
        "marker",
        "preset paper",
        "default",
    ]


def test_the_strongest_preset_is_used() -> None:
    settings = resolve([("ini", {"preset": "wisdom"}), ("command line", {"preset": "paper"})])
    assert (settings.m, settings.tap, settings.preset) == (6, "post", "paper")


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_set_what_they_say(preset: str) -> None:
    settings = from_keywords(preset=preset)
    for name, value in PRESETS[preset].items():
        assert getattr(settings, name) == value
        assert settings.origins[name] == f"preset {preset}"


def test_a_keyword_wins_over_the_preset() -> None:
    assert from_keywords(preset="wisdom", k="auto").k == "auto"


@pytest.mark.parametrize(
    ("values", "what", "fix"),
    [
        ({"layr": "fc2"}, "unknown setting 'layr' (keyword)", "layer"),
        ({"preset": "papr"}, "unknown preset 'papr'", "paper"),
        ({"m": "many"}, "m (keyword): 'many'", "Number of important neurons"),
        ({"k_range": "0"}, "k_range (keyword)", "clusters"),
        ({"scope": "layers"}, "not one of: layer, all, global", "Where"),
    ],
)
def test_errors_teach(values: dict[str, object], what: str, fix: str) -> None:
    with pytest.raises(SettingsError) as caught:
        from_keywords(**values)
    assert what in caught.value.what
    assert fix in caught.value.fix


def test_errors_of_the_command_line_spell_the_option() -> None:
    with pytest.raises(SettingsError, match="--idc-reference-samples"):
        resolve([("command line", {"reference_samples": "-1"})])


def test_spelling_follows_from_the_name() -> None:
    setting = TABLE["reference_samples"]
    assert (setting.option, setting.key) == ("--idc-reference-samples", "idc_reference_samples")
    assert TABLE["download"].is_flag
    assert not setting.is_flag


@pytest.mark.parametrize("name", TABLE)
def test_every_setting_is_described_and_parses_its_default(name: str) -> None:
    setting = TABLE[name]
    assert setting.help
    assert not setting.help.endswith(".")
    assert setting.cli or setting.ini
    if setting.default is not None:
        assert setting.parse(setting.default) == setting.default
    assert setting.many == (
        setting.metavar in ("THRESHOLD", "TOLERANCE", "TYPE[:DEST]", "PATH=SUITE")
    )


def test_replace_notes_the_origin() -> None:
    before = from_keywords(m=4)
    after = before.replace("marker", criteria="IDC, KMNC", m=None)
    assert after.criteria == ("IDC", "KMNC")
    assert after.origins["criteria"] == "marker"
    assert (after.m, after.origins["m"]) == (4, "keyword")
    assert before.criteria == ("all",)


def test_profile_values_are_the_profile_settings_as_plain_data() -> None:
    values = from_keywords(k_range="3,2").profile_values()
    assert list(values) == [name for name, setting in TABLE.items() if setting.profile]
    assert values["k_range"] == [2, 3]
    assert "m" not in values
    assert "fail_under" not in values
    assert json.loads(json.dumps(values)) == values


def test_thresholds_keep_their_commas() -> None:
    settings = resolve([("ini", {"fail_under": "IDC=0.6 # QA, 2025\nshare=0.9"})])
    assert settings.fail_under == ("IDC=0.6 # QA, 2025", "share=0.9")
    assert from_keywords(fail_under=0.6).fail_under == ("0.6",)


def test_settings_are_frozen_and_compare_by_value() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().m = 3  # type: ignore[misc]
    assert from_keywords(m=4) == resolve([("ini", {"m": "4"})])
