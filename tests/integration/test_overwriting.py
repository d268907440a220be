"""Files that a session would write over: refused before the first test."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_deepimportance.cli.main import main
from tests.integration.conftest import Project

TEST = """
    import pytest
    from net import Net, suite_points

    @pytest.mark.idc_suite
    def test_it():
        Net()(suite_points()[0])
"""
WEIGHTS = b"PK\x03\x04 weights \0\0"


@pytest.fixture
def suite(project: Project) -> Project:
    project.write("test_plain.py", "def test_plain(): pass\n")
    (project.path / "net.pth").write_bytes(WEIGHTS)
    return project


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--idc-report=json:net.pth",), "net.pth exists, and is no report"),
        (("--idc-data-file=net.pth",), "exists, and is no data file of this plugin"),
        (("--idc-report=html:idc.json",), "are written to the same file"),
        (
            ("--idc-report=junit:j.xml", "--junitxml=./j.xml"),
            "--idc-report=junit adds to the file of --junitxml",
        ),
        (("--idc-report=json:deepimportance.data",), "and the data file are written to the same"),
    ],
)
def test_refused_before_the_first_test(
    suite: Project, arguments: tuple[str, ...], said: str
) -> None:
    result = suite.run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert said in " ".join((result.stdout.str() + result.stderr.str()).split())
    assert (suite.path / "net.pth").read_bytes() == WEIGHTS


def test_a_report_that_cannot_be_written_stops_no_other_of_the_command(
    suite: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    suite.write("test_it.py", TEST)
    assert suite.run().ret == 0
    capsys.readouterr()
    wanted = ("--report=github", "--report=csv:net.pth/a.csv", "--report=json:a.json")
    assert main(("report", *wanted)) == 0
    said = capsys.readouterr()
    assert "report github was not written: the step summary was not written" in said.err
    assert "report csv:net.pth/a.csv was not written" in said.err
    assert "written    a.json" in said.out
    assert main(("report", *wanted, "--fail-under=0.999")) == 2
    assert main(("report", "--report=none")) == 0
    for wrong, why in (("--report=junit", "Write junit:PATH"), ("--report=", "empty value")):
        assert main(("report", wrong)) == 2
        assert why in capsys.readouterr().err


def test_commands_write_over_nothing_else_either(
    suite: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    suite.write("test_it.py", TEST)
    assert suite.run().ret == 0
    data = Path("deepimportance.data").read_bytes()
    for arguments in (
        ("report", "--report", "json:deepimportance.data"),
        ("report", "--report", "csv:net.pth"),
        ("compare", "deepimportance.data", "--json", "net.pth"),
        ("erase", "net.pth"),
    ):
        assert main(arguments) == 2
    assert Path("net.pth").read_bytes() == WEIGHTS
    assert Path("deepimportance.data").read_bytes() == data
    assert suite.run().ret == 0
    assert main(("report", "--report", "json:idc.json")) == 0
    capsys.readouterr()
