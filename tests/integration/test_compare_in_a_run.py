"""`--idc-compare`: a run beside an earlier one, on the screen, in the gate and in every report."""

from __future__ import annotations

import csv
import json

import pytest

from tests.integration.conftest import Project
from tests.integration.test_compare import CRITERIA, SUITE, record


def test_a_run_compares_itself_with_an_earlier_one(project: Project) -> None:
    record(project, "before.data", "[0, 1, 2]", 3)
    result = project.run(
        *CRITERIA, "--idc-compare=before.data", "--idc-compare-fail=IDC=0",
        "--idc-report=markdown:idc.md",
    )  # fmt: skip
    assert result.ret == 0
    result.stdout.fnmatch_lines(["compared   against before.data: IDC * (0.0), share 0.0, *"])
    (report,) = json.loads((project.path / "idc.json").read_text())["reports"]
    assert report["comparison"]["same_profile"]
    assert [gate["status"] for gate in report["gates"]] == ["ok"]
    assert "**Against before.data:** IDC" in (project.path / "idc.md").read_text()


def test_every_report_says_what_changed(project: Project) -> None:
    record(project, "before.data", "[0, 1, 2]", 3)
    project.write("test_suite.py", SUITE.replace("{parts}", "[1, 2, 3]").replace("{far}", "9"))
    kinds = {"markdown": "r.md", "html": "r.html", "csv": "r.csv", "latex": "r.tex",
             "junit": "r.xml", "audit": "audit"}  # fmt: skip
    asked = [f"--idc-report={kind}:{name}" for kind, name in kinds.items()]
    assert project.run(*CRITERIA, "--idc-compare=before.data", *asked).ret == 0
    found = project.report()["comparison"]
    idc = next(c for c in found["changes"] if (c["suite"], c["criterion"]) == ("TOTAL", "IDC"))
    assert idc["gained"]
    moved = f"{idc['gained']} gained, {idc['lost']} lost"
    source = found["gained_by"][0]["nodeid"]
    for name in ("r.md", "r.html", "audit/audit.html"):
        text = (project.path / name).read_text().replace("\\", "")  # Markdown escapes names
        assert "before.data" in text
        assert moved in text
        assert source in text
    assert r"\caption{Against before.data of " in (project.path / "r.tex").read_text()
    row = next(
        row
        for row in csv.DictReader((project.path / "r.csv").open())
        if (row["suite"], row["criterion"], row["layer"]) == ("TOTAL", "IDC", "")
    )
    assert [row["gained"], row["lost"]] == [str(idc["gained"]), str(idc["lost"])]
    assert [row["before_covered"], row["before_total"]] == list(map(str, idc["before"]))
    junit = (project.path / "r.xml").read_text()
    assert f'name="idc.IDC.gained" value="{idc["gained"]}"' in junit
    assert f'name="idc.IDC.lost" value="{idc["lost"]}"' in junit


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["serial", "n2"])
def test_what_was_lost_fails_the_run(project: Project, workers: tuple[str, ...]) -> None:
    record(project, "before.data", "[0, 1, 2]", 9)
    project.write("test_suite.py", SUITE.replace("{parts}", "[0]").replace("{far}", "1"))
    ask = (*CRITERIA, "--idc-compare=before.data", *workers)
    assert project.run(*ask).ret == 0
    result = project.run(*ask, "--idc-compare-fail=IDC=0.01")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["FAIL IDC fell by * points against before.data", "FAILED idc::TOTAL::compare IDC=0.01*"]
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--idc-compare=none.data",), "*none.data*"),
        (("--idc-compare=net.py",), "*net.py*"),
        (("--idc-compare-fail=IDC=0.1",), "*--idc-compare=FILE*"),
        (("--idc-compare=net.py", "--idc-compare-fail=IDC"), "*NAME=VALUE*"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_the_tests(
    project: Project, arguments: tuple[str, ...], said: str
) -> None:
    project.write("test_suite.py", SUITE.replace("{parts}", "[0]").replace("{far}", "1"))
    result = project.run(*arguments)
    assert result.ret == 4
    result.stderr.fnmatch_lines([said])


def test_a_file_that_is_not_there_yet_may_be_skipped(project: Project) -> None:
    project.write("test_suite.py", SUITE.replace("{parts}", "[0]").replace("{far}", "1"))
    result = project.run(
        *CRITERIA, "--idc-compare=main.data", "--idc-compare-fail=IDC=0", "--idc-missing=skip"
    )
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*not compared: *main.data does not exist"])
