"""`--idc-report` of every type in a real run."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ET

import pytest

from tests.integration.conftest import Project
from tests.integration.test_gate import SUITE

IDC = ["--idc-fail-under=0.01"]


def project_with_suite(project: Project) -> Project:
    project.write("test_suite.py", SUITE.replace("{fails}", "False"))
    return project


def test_all_files_tell_the_same_numbers(project: Project) -> None:
    project_with_suite(project)
    kinds = ("json:a.json", "csv:a.csv", "markdown:a.md", "latex:a.tex", "junit:a.xml")
    result = project.run(*IDC, *(f"--idc-report={kind}" for kind in kinds))
    assert result.ret == 0
    (report,) = json.loads((project.path / "a.json").read_text())["reports"]
    covered = report["total"]["criteria"]["IDC"]["covered"]
    rows = list(csv.DictReader((project.path / "a.csv").open()))
    total = [r for r in rows if (r["suite"], r["criterion"], r["layer"]) == ("TOTAL", "IDC", "")]
    assert [int(row["covered"]) for row in total] == [covered]
    of = f"{covered} of {report['total']['criteria']['IDC']['total']}"
    assert of in (project.path / "a.md").read_text()
    assert of in (project.path / "a.tex").read_text()
    properties = {
        item.get("name"): item.get("value")
        for item in ET.parse(project.path / "a.xml").getroot().iter("property")
    }
    row = report["total"]["criteria"]["IDC"]
    assert float(properties["idc.IDC"] or "nan") == row["covered"] / row["total"]


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["serial", "n2"])
def test_junit_without_a_place_adds_to_pytests_own(
    project: Project, workers: tuple[str, ...]
) -> None:
    project_with_suite(project)
    project.run(*IDC, "--idc-report=junit", "--junitxml=own.xml", *workers)
    names = [
        item.get("name") for item in ET.parse(project.path / "own.xml").getroot().iter("property")
    ]
    assert "idc.IDC" in names
    result = project.run(*IDC, "--idc-report=junit")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["*report junit was not written: there is no JUnit file to add to*"]
    )


def test_term_missing_names_what_is_missing(project: Project) -> None:
    project_with_suite(project)
    plain = project.run(*IDC)
    assert "missing" not in plain.outlines
    result = project.run(*IDC, "--idc-report=term-missing")
    result.stdout.fnmatch_lines(
        ["missing", "* that the reference reaches and no test exercises: *", "*such as*clusters*"]
    )


def test_github_outside_of_actions_is_said_and_fails_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project_with_suite(project)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    result = project.run(*IDC, "--idc-report=github")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["*report github was not written: *GITHUB_STEP_SUMMARY is not set*"]
    )
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.path / "summary.md"))
    project.run(*IDC, "--idc-report=github")
    assert "### Neural network coverage: " in (project.path / "summary.md").read_text()


def test_an_unknown_type_is_refused_before_anything_runs(project: Project) -> None:
    project_with_suite(project)
    result = project.run("--idc-report=pdf:x")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*there is no report type 'pdf' here*"])
