"""The first run without a gate ends with how to get one; nobody is told twice."""

from __future__ import annotations

import pytest

from tests.integration.conftest import Project

TEST = """
    import pytest
    from net import suite_points

    X, Y = suite_points()

    @pytest.mark.idc_suite({arguments})
    def test_one(idc):
        idc(X[:40], labels=Y[:40])

    @pytest.mark.idc_suite
    def test_two(idc):
        idc(X[40:])
"""
HINT = "*no gate yet. For m=*, share=0.*, IDC=0.*"


@pytest.fixture
def suite(project: Project) -> Project:
    project.write("test_it.py", TEST.format(arguments=""))
    return project


def test_three_lines_once(suite: Project) -> None:
    first = suite.run()
    first.stdout.fnmatch_lines(
        [HINT, "  pytest --idc-report=json:idc.json", "  deepimportance calibrate idc.json --write"]
    )
    assert first.ret == 0
    suite.run().stdout.no_fnmatch_line(HINT)


def test_its_commands_give_a_gate_that_holds(
    suite: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pytest_deepimportance.cli.main import main

    suite.run("-p", "no:cacheprovider")
    monkeypatch.chdir(suite.path)
    assert main(["calibrate", "idc.json", "--write"]) == 0
    result = suite.run()
    assert result.ret == 0
    gates = suite.report()["gates"]
    assert [gate["status"] for gate in gates] == ["ok", "ok"]
    result.stdout.no_fnmatch_line(HINT)


@pytest.mark.parametrize(
    ("name", "table", "listed"),
    [
        ("pyproject.toml", "tool.pytest.ini_options", False),
        ("pyproject.toml", "tool.pytest", True),
        ("pytest.toml", "pytest", True),
        ("setup.cfg", "tool:pytest", False),
    ],
)
def test_pytest_reads_what_was_written(
    suite: Project, monkeypatch: pytest.MonkeyPatch, name: str, table: str, listed: bool
) -> None:
    from pytest_deepimportance.cli.main import main

    if listed and int(pytest.__version__.partition(".")[0]) < 9:
        pytest.skip("pytest 9 brought this form")
    values = {"pythonpath": ".", "idc_model": "net:Net", "idc_reference": "net:reference"}
    quote = '"{}"' if name.endswith("toml") else "{}"
    lines = [f"{key} = {quote.format(value)}" for key, value in values.items()]
    if listed:
        lines[0] = 'pythonpath = ["."]'
    (suite.path / "pytest.ini").unlink()
    suite.write(name, f"[{table}]\n" + "\n".join(lines) + "\n")
    assert suite.run().ret == 0
    monkeypatch.chdir(suite.path)
    assert main(["calibrate", "idc.json", "--write"]) == 0
    assert suite.run().ret == 0
    report = suite.report()
    assert [gate["status"] for gate in report["gates"]] == ["ok", "ok"]
    origins = {row["name"]: row["origin"] for row in report["settings"]}
    assert origins["m"] == origins["fail_under"] == f"ini {name}"


@pytest.mark.parametrize("arguments", [("-q",), ("--idc-fail-under=0.01",), ("-k", "one")])
def test_not_where_it_would_be_noise(suite: Project, arguments: tuple[str, ...]) -> None:
    suite.run(*arguments).stdout.no_fnmatch_line(HINT)
    if "-q" in arguments or "-k" in arguments:  # it waits for a run that can show it
        suite.run().stdout.fnmatch_lines([HINT])


def test_not_beside_a_marker_with_a_gate(project: Project) -> None:
    project.write("test_it.py", TEST.format(arguments='"own", fail_under="share=0.1"'))
    project.run().stdout.no_fnmatch_line(HINT)
