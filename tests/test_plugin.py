"""The plugin's surface: what pytest shows of it, and that it agrees with the table of settings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_deepimportance.glue.options import settings_of
from pytest_deepimportance.plugin import MARKER
from pytest_deepimportance.settings import TABLE, Settings, from_keywords

TEXT: dict[str, str] = {
    "model": "app.model:build", "factory": "app.model:build", "weights": "none",
    "allow_pickle": "true", "reference": "app.data:train", "reference_samples": "500", "null": "part=0.5", "random_orders": "20",
    "reference_id": "mine", "transform": "app.data:norm", "data_root": "app.data:root",
    "download": "true", "profile": "app:x", "no_samples": "true", "m": "4", "k": "3",
    "k_range": "2,5", "layer": "fc1", "scope": "all", "normalize": "none", "classes": "each",
    "class_names": "ape,bee", "zeros": "drop", "min_values": "5", "correct": "all",
    "target": "label", "importance_method": "lgxa", "importance": "app:votes", "importance_samples": "50", "attribution_steps": "20",
    "attribution_baseline": "mean", "attribution_samples": "5", "lrp_rule": "z", "lrp_epsilon": "0.001",
    "lrp_gamma": "0.5", "lrp_alpha": "1.5", "lrp_low": "-1,-2.5", "lrp_high": "3",
    "tap": "pre", "reduce": "max", "output": "app.model:scores", "bounds_tolerance": "0.1",
    "criteria": "IDC", "preset": "paper", "seed": "7", "device": "cpu", "batch_size": "64",
    "memory": "512MB", "count": "passed", "partial": "warn", "missing": "skip",
    "neuron_layers": "hidden", "degenerate": "exclude", "nc_threshold": "0.5",
    "nc_scale": "none", "kmnc_sections": "10", "kmnc_edges": "left", "nbc_sigma": "0.5",
    "nbc_inclusive": "true", "snac_sigma": "1", "snac_inclusive": "true", "tknc_k": "2",
    "tknc_positive": "true", "tknp_k": "2", "tknp_ordered": "true", "cc_layers": "fc1,fc2",
    "cc_threshold": "0.5", "cc_squared": "true", "surprise_layer": "fc1",
    "surprise_labels": "true", "trace_rows": "100", "variance_threshold": "0.001",
    "lsc_upper": "100", "lsc_buckets": "10", "dsc_upper": "3", "dsc_buckets": "10",
    "mdsc_upper": "50", "mdsc_buckets": "10", "mdsc_inverse": "pinv", "surprise_values": "true",
    "fail_under": "IDC=0.5", "report": "json:a.json", "suites": "tests/a = a",
    "data_file": "none", "append": "true", "shard": "true", "images": "keep", "context": "test", "compare": "main", "compare_fail": "IDC=0.02",
}  # fmt: skip
"""A value of every setting, as it is typed."""


def test_every_setting_has_a_value_here() -> None:
    assert set(TEXT) == set(TABLE)


@pytest.fixture
def config_of(pytester: pytest.Pytester) -> Any:
    def make(*arguments: str, ini: str = "") -> pytest.Config:
        (pytester.path / "pytest.ini").write_text(f"[pytest]\n{ini}\n")
        return pytester.parseconfig(*arguments)

    return make


def below(root: Path) -> dict[str, Any]:
    """Places of the ini file begin in its folder."""
    return {"report": (f"json:{root / 'a.json'}",), "compare": str(root / "main")}


@pytest.mark.parametrize("name", TABLE)
def test_one_name_gives_option_ini_key_and_keyword(config_of: Any, name: str) -> None:
    setting = TABLE[name]
    assert setting.option == "--idc-" + name.replace("_", "-")
    assert setting.key == "idc_" + name
    wanted = getattr(from_keywords(**{name: TEXT[name]}), name)
    assert wanted != setting.default or name == "criteria"
    if setting.cli:
        given = setting.option if setting.is_flag else f"{setting.option}={TEXT[name]}"
        found = settings_of(config_of(given))
        assert getattr(found, name) == wanted
        assert found.origins[name] == "command line"
    if setting.ini:
        config = config_of(ini=f"{setting.key} = {TEXT[name]}")
        found = settings_of(config)
        assert getattr(found, name) == below(config.rootpath).get(name, wanted)
        assert found.origins[name] == "ini pytest.ini"


def test_all_at_once_and_the_command_line_wins(config_of: Any) -> None:
    ini = "\n".join(f"idc_{name} = {TEXT[name]}" for name in TABLE if TABLE[name].ini)
    config = config_of("--idc-k=2", "--idc-fail-under=0.1", ini=ini)
    found = settings_of(config)
    wanted = from_keywords(**{name: TEXT[name] for name in TABLE if TABLE[name].ini})
    wanted = wanted.replace("x", **below(config.rootpath))
    assert found == wanted.replace("x", k=2, fail_under="0.1")


def test_nothing_given_is_the_default(config_of: Any) -> None:
    assert settings_of(config_of()) == Settings()


def test_lists_take_several_lines_and_several_options(config_of: Any) -> None:
    ini = "idc_fail_under =\n    IDC=0.5 # the old model\n    a/share:cat=0.9"
    wanted = ("IDC=0.5 # the old model", "a/share:cat=0.9")
    assert settings_of(config_of(ini=ini)).fail_under == wanted
    options = ("--idc-fail-under", wanted[0], "--idc-fail-under", wanted[1])
    assert settings_of(config_of(*options)).fail_under == wanted


def test_only_settings_have_options_and_keys(config_of: Any) -> None:
    config = config_of()
    options = {a for group in config._parser._groups for o in group.options for a in o.names()}
    ours = {name for name in options if name.startswith(("--idc", "--no-idc"))}
    assert ours == {s.option for s in TABLE.values() if s.cli} | {"--no-idc", "--idc-settings"}
    keys = {name for name in config._parser._inidict if name.startswith("idc")}
    assert keys == {s.key for s in TABLE.values() if s.ini}


def test_permission_to_unpickle_is_never_given_by_a_file(config_of: Any) -> None:
    with pytest.raises(pytest.UsageError, match="idc_allow_pickle"):
        settings_of(config_of(ini="idc_allow_pickle = true"))


@pytest.mark.parametrize("off", [(), ("--no-idc",)])
def test_help_and_markers(pytester: pytest.Pytester, off: tuple[str, ...]) -> None:
    result = pytester.runpytest_inprocess("--markers", *off)
    result.stdout.fnmatch_lines([f"@pytest.mark.{MARKER.partition('(')[0]}(*"])
    text = " ".join(pytester.runpytest_inprocess("--help", *off).stdout.str().split())
    for setting in TABLE.values():
        if setting.cli:
            assert setting.option in text
        if setting.ini:
            assert setting.key in text


def test_fixtures_are_listed_with_what_they_are_for(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess("--fixtures", "-q")
    for name in ("idc_model", "idc_reference", "idc_profile", "idc"):
        result.stdout.fnmatch_lines([f"{name}*pytest_deepimportance*"])
    assert "no docstring" not in result.stdout.str().partition("idc_model")[2][:900]


def test_without_the_plugin_two_lines_keep_a_project_running(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import pytest\n\n@pytest.mark.idc_suite\ndef test_it(idc):\n    assert idc(1) == 1\n"
    )
    pytester.makeconftest(
        "import pytest\n\n@pytest.fixture\ndef idc():\n    return lambda batch: batch\n"
    )
    pytester.makeini("[pytest]\nmarkers = idc_suite: not measured here\naddopts = --strict-markers")
    pytester.runpytest_inprocess("-p", "no:deepimportance").assert_outcomes(passed=1)


def test_importing_the_plugin_imports_nothing_heavy() -> None:
    code = (
        "import sys, pytest_deepimportance.plugin, pytest_deepimportance.hookspecs\n"
        "print(*(m for m in ('torch', 'numpy', 'captum', 'rich', 'safetensors', 'sklearn')"
        " if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
