"""Places that take no file are refused before the first test."""

from __future__ import annotations

import json

import pytest

from pytest_deepimportance.cli.main import main
from tests.integration.conftest import Project

TEST = """
    import pytest
    from net import suite_points

    @pytest.mark.idc_suite
    def test_it(idc):
        idc(suite_points()[0])
"""


def test_a_place_that_takes_no_file_is_said_before_the_tests(project: Project) -> None:
    project.write("test_it.py", TEST)
    (project.path / "build").mkdir()
    for place, hint in (("test_it.py/x.data", "test_it.py is no folder"),
                        ("build", "build is a folder")):  # fmt: skip
        result = project.run(f"--idc-data-file={place}")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"*{hint}", "*--idc-data-file=none"])
    (project.path / "deepimportance.data").mkdir()
    assert project.run("-k", "labels").ret == pytest.ExitCode.USAGE_ERROR
    project.write("test_plain.py", "def test_plain():\n    pass\n")
    assert project.run("test_plain.py").ret == 0  # it measures nothing, and writes nothing


def test_places_of_the_ini_file_begin_in_its_folder_and_are_shown_from_the_start(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(project.path / "home"))
    project.write("tests/test_it.py", TEST)
    project.ini("idc_data_file = z.data", "idc_report =", "    csv:out/c.csv", "    json:~/j.json",
                model="net.py:Net")  # fmt: skip
    monkeypatch.chdir(project.path / "tests")
    result = project.pytester.runpytest_inprocess()
    assert result.ret == 0
    result.stdout.fnmatch_lines(["idc: model ../net.py:Net, *"])
    for place in ("z.data", "out/c.csv", "home/j.json"):
        assert (project.path / place).is_file()
    assert [path.name for path in (project.path / "tests").iterdir() if "." in path.name] == [
        "test_it.py"
    ]
    (report,) = json.loads((project.path / "home/j.json").read_text())["reports"]
    rows = {row["name"]: row["value"] for row in report["settings"]}
    assert rows["model"] == "../net.py:Net"
    assert rows["report"] == f"csv:../out/c.csv, json:{project.path}/home/j.json"
    typed = ("--idc-report=csv:~/typed.csv", "--idc-data-file=~/typed.data")
    assert project.pytester.runpytest_inprocess(*typed).ret == 0
    assert {"typed.csv", "typed.data"} <= {p.name for p in (project.path / "home").iterdir()}
    capsys.readouterr()
    assert main(["show", "../z.data"]) == 0
    assert str(project.path) not in capsys.readouterr().out
