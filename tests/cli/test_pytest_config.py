"""Editing pytest's configuration: the right file, two keys, and every other byte as it was."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest
from _pytest.config.findpaths import locate_config

from pytest_deepimportance.cli.config_files import find_config
from pytest_deepimportance.cli.gate_entries import Gate
from pytest_deepimportance.cli.pytest_config import write_gate
from pytest_deepimportance.errors import SettingsError

WITH = {
    "pytest.toml": "[pytest]\n",
    "pytest.ini": "[pytest]\n",
    ".pytest.ini": "",
    "pyproject.toml": "[tool.pytest.ini_options]\ntestpaths = ['tests']\n",
    "tox.ini": "[tox]\n[pytest]\n",
    "setup.cfg": "[tool:pytest]\n",
}
WITHOUT = {"pyproject.toml": "[project]\nname = 'x'\n", "tox.ini": "[tox]\n", "setup.cfg": "[x]\n"}


def gate(**changes: object) -> Gate:
    values: dict[str, object] = {"m": 8, "thresholds": ["share=0.9", "IDC=0.29"]}
    return Gate(**{**values, **changes})  # type: ignore[arg-type]


def written(path: Path, text: str, **changes: object) -> str:
    path.write_bytes(text.encode())
    write_gate(path, gate(**changes))
    return path.read_bytes().decode()


def layouts() -> list[dict[str, str]]:
    """Files of a folder and its parent, in many mixtures."""
    found = []
    for names in itertools.combinations(WITH, 2):
        found += [{f"sub/{names[0]}": WITH[names[0]], names[1]: WITH[names[1]]}]
        found += [{f"sub/{name}": WITH[name] for name in names}]
    for name, text in WITHOUT.items():
        found += [{f"sub/{name}": text}, {f"sub/{name}": text, "pytest.ini": WITH["pytest.ini"]}]
        found += [{f"sub/{name}": text, "pyproject.toml": WITH["pyproject.toml"]}]
    return [*found, {"sub/pyproject.toml": "[tool.pytest]\naddopts = ['-q']\n"}, {}]


@pytest.mark.parametrize("number", range(len(layouts())))
def test_the_file_is_the_one_pytest_finds(tmp_path: Path, number: int) -> None:
    (tmp_path / "sub").mkdir()
    for name, text in layouts()[number].items():
        (tmp_path / name).write_text(text)
    wanted = locate_config(tmp_path / "sub", [])[1]
    found = find_config(tmp_path / "sub")
    if wanted is None or not wanted.is_relative_to(tmp_path):
        assert found is None or not found.path.is_relative_to(tmp_path)
    else:
        assert found is not None
        assert found.path == wanted


INI = """; top
[other]
idc_m = 3

[pytest]
# before
testpaths = tests  ; odd
idc_fail_under =
    # a comment inside
    share=0.5   # for the team

    clean/IDC=0.7
    KMNC = 0.1
addopts = -q
    -ra

# after
[tail]
x: 1
"""


def test_an_ini_file(tmp_path: Path) -> None:
    assert written(tmp_path / "pytest.ini", INI) == INI.replace(
        "share=0.5   #", "share=0.9   #"
    ).replace("    KMNC = 0.1\n", "    KMNC = 0.1\n    IDC=0.29\n").replace(
        "    -ra\n", "    -ra\nidc_m = 8\n"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("idc_m = 3", "idc_m = 8"),
        ("idc_m=auto", "idc_m=8"),
        ("idc_m :  3", "idc_m :  8"),
        ("idc_m =", "idc_m = 8"),
    ],
)
def test_m_in_an_ini_file(tmp_path: Path, before: str, after: str) -> None:
    text = f"[pytest]\n{before}\nidc_fail_under = share=0.9\n    IDC=0.29\n"
    assert written(tmp_path / "tox.ini", text) == text.replace(before, after)


def test_values_on_the_line_of_the_key(tmp_path: Path) -> None:
    found = written(tmp_path / "setup.cfg", "[tool:pytest]\nidc_fail_under = 0.1  # old\n")
    assert found == ("[tool:pytest]\nidc_fail_under = IDC=0.29  # old\n    share=0.9\nidc_m = 8\n")


def test_line_ends_and_a_missing_last_one_are_kept(tmp_path: Path) -> None:
    found = written(tmp_path / "pytest.ini", "[pytest]\r\nidc_m = 3\r\nx = 1")
    assert found == (
        "[pytest]\r\nidc_m = 8\r\nx = 1\r\nidc_fail_under =\r\n    share=0.9\r\n    IDC=0.29\r\n"
    )
    found = written(tmp_path / "pytest.toml", "[pytest]\r\nidc_m = 3\r\nx = 1")
    assert found == (
        '[pytest]\r\nidc_m = 8\r\nx = 1\r\nidc_fail_under = [\r\n    "share=0.9",\r\n'
        '    "IDC=0.29",\r\n]\r\n'
    )


TOML = """[project]  # mine
name = "x"

[tool.pytest.ini_options]  # options
# before
testpaths = ["tests", "[odd]"]
addopts = '''
-q
[tool.fake]
idc_m = 1
'''
idc_fail_under = [
    # inside
    "share=0.5  # for the team",  # behind

    'clean/IDC=0.7',
]  # end
markers.a = 1
xfail_strict = true  # last

[tool.other]
idc_m = 3
"""


def test_a_toml_file(tmp_path: Path) -> None:
    assert written(tmp_path / "pyproject.toml", TOML) == TOML.replace(
        '"share=0.5  #', '"share=0.9  #'
    ).replace("'clean/IDC=0.7',\n", "'clean/IDC=0.7',\n    \"IDC=0.29\",\n").replace(
        "= true  # last\n", '= true  # last\nidc_m = "8"\n'
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("idc_fail_under = ['0.1']", "idc_fail_under = ['IDC=0.29', \"share=0.9\"]"),
        ('idc_fail_under = ["0.1",]', 'idc_fail_under = ["IDC=0.29", "share=0.9",]'),
        ("idc_fail_under = []", 'idc_fail_under = [\n    "share=0.9",\n    "IDC=0.29",\n]'),
        (
            "idc_fail_under = 0.1 # x",
            'idc_fail_under = [\n    "IDC=0.29",\n    "share=0.9",\n] # x',
        ),
        ('idc_fail_under = "0.1"', 'idc_fail_under = [\n    "IDC=0.29",\n    "share=0.9",\n]'),
        ("'idc_fail_under' = ['0.1']", "'idc_fail_under' = ['IDC=0.29', \"share=0.9\"]"),
    ],
)
@pytest.mark.parametrize("last", ["", "\n\n[tool.x]\ny = [[1], [2]]\n"])
def test_forms_of_the_list(tmp_path: Path, before: str, after: str, last: str) -> None:
    text = f"[tool.pytest.ini_options]\nidc_m = 3\n{before}{last}"
    wanted = text.replace(before, after).replace("idc_m = 3", "idc_m = 8")
    assert written(tmp_path / "pyproject.toml", text) == wanted


def test_native_tables_of_pytest_9(tmp_path: Path) -> None:
    found = written(tmp_path / "pyproject.toml", '[tool.pytest]\nidc_m = "3"\n')
    assert found == (
        '[tool.pytest]\nidc_m = "8"\nidc_fail_under = [\n    "share=0.9",\n    "IDC=0.29",\n]\n'
    )


def test_a_stricter_threshold_stays_unless_m_changes(tmp_path: Path) -> None:
    text = "[pytest]\nidc_m = 8\nidc_fail_under =\n    share=0.95\n    IDC=0.1\n"
    found = written(tmp_path / "pytest.ini", text)
    assert found == text.replace("IDC=0.1", "IDC=0.29")
    found = written(tmp_path / "pytest.ini", text, lower=True)
    assert found == text.replace("IDC=0.1", "IDC=0.29").replace("0.95", "0.9")
    said = write_gate(tmp_path / "pytest.ini", gate(thresholds=["share=0.8"]))
    assert "share=0.9   (kept: stricter than share=0.8)" in said[1]


def test_what_is_not_a_number_or_not_known_stays(tmp_path: Path) -> None:
    text = "[pytest]\nidc_m = 8\nidc_fail_under =\n    IDC=random\n    OWN=3\n"
    assert written(tmp_path / "pytest.ini", text) == text + "    share=0.9\n    IDC=0.29\n"


REFUSED = {
    "pyproject.toml dotted": ("pyproject.toml", "tool.pytest.ini_options.idc_m = '3'\n"),
    "pyproject.toml inline": ("pyproject.toml", "[tool]\npytest = {ini_options = {idc_m = 3}}\n"),
    "pyproject.toml without": ("pyproject.toml", "[project]\nname = 'x'\n"),
    "many lines": ("pyproject.toml", "[tool.pytest.ini_options]\nidc_m.x = 3\n"),
    "empty ini": ("pytest.ini", ""),
    "bom": ("pytest.ini", "\ufeff[pytest]\n"),
    "addopts": ("pytest.ini", "[pytest]\naddopts = -q --idc-m=3\n"),
    "addopts list": ("pyproject.toml", "[tool.pytest]\naddopts = ['--idc-fail-under', '0.3']\n"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_edited_is_refused_with_the_lines_to_paste(
    tmp_path: Path, case: str
) -> None:
    name, text = REFUSED[case]
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        write_gate(path, gate())
    assert path.read_text(encoding="utf-8") == text
    lines = str(caught.value)
    assert name in lines
    assert 'idc_m = "8"' in lines if name.endswith("toml") else "idc_m = 8" in lines
    assert "share=0.9" in lines
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "text"),
    [("pytest.ini", b"x = 1\n"), ("pytest.toml", b"[pytest\n"), ("pytest.ini", b"\xff\xfe[")],
)
def test_damaged_files(tmp_path: Path, name: str, text: bytes) -> None:
    (tmp_path / name).write_bytes(text)
    with pytest.raises(SettingsError, match="cannot be read"):
        write_gate(tmp_path / name, gate())
    assert (tmp_path / name).read_bytes() == text


def test_no_file_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if find_config(tmp_path) is not None:
        pytest.skip("a folder above configures pytest")
    with pytest.raises(SettingsError, match="no configuration file") as caught:
        write_gate(None, gate())
    assert "[pytest]\n  idc_m = 8\n  idc_fail_under =\n      share=0.9" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_permissions_and_links_are_kept(tmp_path: Path) -> None:
    real, link = tmp_path / "real.ini", tmp_path / "pytest.ini"
    real.write_text("[pytest]\n")
    os.chmod(real, 0o640)
    link.symlink_to(real)
    write_gate(link, gate())
    assert link.is_symlink()
    assert "idc_m = 8" in real.read_text()
    assert real.stat().st_mode & 0o777 == 0o640
