"""`deepimportance compare` of the data files of real runs."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from pytest_deepimportance.cli.main import main
from pytest_deepimportance.engine.merging import codes_of
from pytest_deepimportance.engine.one_run import Opened, opened
from pytest_deepimportance.store.datafile import read
from tests.integration.conftest import Project
from tests.oracles import reference_compare

SUITE = """
    import pytest
    from net import suite_points

    X, Y = suite_points()

    @pytest.mark.idc_suite("clean")
    @pytest.mark.parametrize("part", {parts})
    def test_part(idc, part):
        idc(X[part::6])

    @pytest.mark.idc_suite("far")
    def test_far(idc):
        idc(X[:{far}] * 3)
"""
CRITERIA = ["--idc-criteria=IDC,NC,KMNC,TKNP,CC,NLC,DSC", "--idc-m=3"]


def record(project: Project, name: str, parts: str, far: int, *more: str) -> Path:
    project.write("test_suite.py", SUITE.replace("{parts}", parts).replace("{far}", str(far)))
    result = project.run(f"--idc-data-file={name}", *CRITERIA, *more)
    assert result.ret in (0, 1)
    return project.path / name


@pytest.fixture
def runs(project: Project) -> tuple[Path, Path]:
    before = record(project, "before.data", "[0, 1, 2]", 3)
    return before, record(project, "after.data", "[1, 2, 3, 4]", 9)


def compared(before: Path, after: Path, *arguments: str) -> dict[str, Any]:
    target = before.parent / "difference.json"
    main(["compare", str(before), str(after), "--json", str(target), *arguments])
    (found,) = json.loads(target.read_text())
    assert isinstance(found, dict)
    return found


def rows(part: Opened, suite: str | None) -> dict[str, set[tuple[int, ...]]]:
    """The combinations of each test, of one suite or of all."""
    space = part.profile.whole_spaces[0]
    found: dict[str, set[tuple[int, ...]]] = {}
    for test in part.state.tests:
        if suite is None or test.suite == suite:
            codes = codes_of([part.state.blocks[key][slot] for slot, key in test.claims], space)
            assert codes is not None
            found[test.nodeid] = {tuple(row) for row in codes[:, : space.m].tolist()}
    return found


@pytest.mark.parametrize("suite", [None, "clean", "far"])
def test_items_gained_and_lost_equal_sets(runs: tuple[Path, Path], suite: str | None) -> None:
    found = compared(*runs)
    old, new = (rows(opened(path.name, read(path))[0], suite) for path in runs)
    change = next(
        c for c in found["changes"] if (c["suite"], c["criterion"]) == (suite or "TOTAL", "IDC")
    )
    before, after = set().union(*old.values()), set().union(*new.values())
    gained, lost = reference_compare.gained_and_lost(before, after)
    assert (change["gained"], change["lost"]) == (gained, lost)
    assert (change["before"][0], change["after"][0]) == (len(before), len(after))
    if suite is None:
        for name, own, others in (("gained_by", new, before), ("lost_with", old, after)):
            listed = [(source["nodeid"], source["items"]) for source in found[name]]
            assert listed == reference_compare.sources(own, others)
        assert found["gained_by"]


def test_every_criterion_adds_up(runs: tuple[Path, Path]) -> None:
    found = compared(*runs)
    assert found["same_profile"]
    for change in found["changes"]:
        if change["criterion"] in ("CC", "NLC"):
            assert change["gained"] is None
        else:
            moved = change["gained"] - change["lost"]
            assert change["after"][0] - change["before"][0] == moved


@pytest.mark.parametrize("turned", [False, True])
def test_runs_with_different_m_are_compared_at_the_smaller(project: Project, turned: bool) -> None:
    small = record(project, "small.data", "[0, 1, 2]", 3)
    large = record(project, "large.data", "[1, 2, 3, 4]", 9, "--idc-m=6")
    alike = record(project, "alike.data", "[1, 2, 3, 4]", 9)
    found = compared(large, small) if turned else compared(small, large)
    wanted = compared(alike, small) if turned else compared(small, alike)
    assert found["same_profile"]
    (note,) = found["notes"]
    assert ("m differs (6 -> 3)" if turned else "m differs (3 -> 6)") in note
    for name in ("changes", "gained_by", "lost_with", "neurons_before", "neurons_after"):
        assert found[name] == wanted[name]


def test_a_run_against_itself_changes_nothing(
    runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    found = compared(runs[0], runs[0], "--fail", "IDC=0", "--fail", "share=0", "--fail", "TKNP=0")
    assert {change["gained"] for change in found["changes"]} == {0, None}
    assert found["gained_by"] == found["lost_with"] == []
    out = capsys.readouterr().out
    assert "ok         IDC is unchanged against" in " ".join(out.split(" "))
    assert max(len(line) for line in out.splitlines() if not line.startswith("written")) <= 80


@pytest.mark.parametrize(
    ("turned", "tolerance", "code", "said"),
    [
        (False, "IDC=0", 0, "IDC rose by"),
        (True, "IDC=0", 2, "FAIL       IDC fell by"),
        (True, "far/kmnc=0", 2, "FAIL       far/KMNC fell by"),
        (True, "IDC=0.99", 0, "ok         IDC fell by"),
        (True, "share=0", 2, "FAIL       share fell by"),
        (True, "far/TKNP=1000", 0, "ok         far/TKNP fell by"),
        (True, "far/KMNC=0.00001", 2, "FAIL       far/KMNC fell by"),
        (True, "NBC=0", 2, "NBC was measured in neither run"),
        (True, "fra/IDC=0", 2, "far"),
    ],
)
def test_tolerances(
    runs: tuple[Path, Path], turned: bool, tolerance: str, code: int, said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    before, after = runs[::-1] if turned else runs
    assert main(["compare", str(before), str(after), "--fail", tolerance]) == code
    assert said in " ".join(capsys.readouterr().out.split(" "))


def test_a_number_that_is_no_longer_measured_fails(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    before = record(project, "before.data", "[0, 1, 2]", 3)
    after = record(project, "after.data", "[0, 1, 2]", 3, "--idc-criteria=NC")
    capsys.readouterr()
    assert main(["compare", str(before), str(after), "--fail", "share=0"]) == 2
    out = capsys.readouterr().out
    assert "FAIL       share was measured in" in out
    assert "(gone)" not in out
    assert "important neurons were" not in out
    assert main(["compare", str(after), str(before), "--fail", "IDC=0"]) == 0
    out = capsys.readouterr().out
    assert "IDC is not judged" in out
    assert "(new)" not in out


def test_a_part_of_the_tests_is_not_judged(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    before = record(project, "before.data", "[0, 1, 2]", 3)
    after = record(project, "after.data", "[0, 1, 2]", 3, "-k", "far")
    assert main(["compare", str(before), str(after), "--fail", "IDC=0"]) == 0
    out = capsys.readouterr().out
    assert "IDC is not judged" in out
    assert "(gone)" in out


def test_a_retrained_model_compares_numbers_only(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    before = record(project, "before.data", "[0, 1, 2]", 3)
    retrain(project)
    after = record(project, "after.data", "[0, 1, 2]", 3)
    capsys.readouterr()
    found = compared(before, after)
    out = capsys.readouterr().out
    assert not found["same_model"]
    assert not found["same_profile"]
    assert {change["gained"] for change in found["changes"]} == {None}
    assert "new model (" in out
    assert "items cannot be matched" in out
    assert f"of the {len(found['neurons_after'])} important neurons were" in out


def retrain(project: Project) -> None:
    text = (project.path / "net.py").read_text()
    project.write("net.py", text.replace("manual_seed(6)", "manual_seed(5)"))


def test_a_retrained_model_with_another_m_is_compared_at_the_smaller(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    before = record(project, "before.data", "[0, 1, 2]", 3)
    retrain(project)
    after = record(project, "after.data", "[0, 1, 2]", 3, "--idc-m=6")
    wanted = compared(before, record(project, "alike.data", "[0, 1, 2]", 3))
    found = compared(before, after)
    assert found["changes"] == wanted["changes"]
    total = project.run("--idc-data-file=x.data", *CRITERIA, "--idc-m=6") and headline(project)
    notes = " ".join(found["notes"])
    assert "m differs (3 -> 6): both are compared at the smaller m" in notes
    assert f" and {total} combinations there)" in notes


def headline(project: Project) -> int:
    rows = project.report()["total"]["criteria"]
    return next(int(row["total"]) for row in rows.values() if row["criterion"] == "IDC")


def test_idc_of_another_layer_gets_no_verdict(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    before = record(project, "before.data", "[0, 1, 2]", 3)
    after = record(project, "after.data", "[0]", 1, "--idc-layer=fc1")
    capsys.readouterr()
    asked = ["--fail", "IDC=0", "--fail", "share=0", "--fail", "NC=1"]
    assert main(["compare", str(before), str(after), *asked]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "IDC looks at other layers or classes (fc2 -> fc1): no verdict on IDC and share" in out
    assert "NOTE IDC is not judged: it means something else in" in out
    assert "NOTE share is not judged" in out
    assert "ok NC " in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing.data"], "nothing.data"),
        (["before.data", "net.py"], "net.py"),
        (["before.data", "before.data", "--fail", "IDC"], "NAME=VALUE"),
        (["before.data", "before.data", "--fail", "IDC=-1"], "NAME=VALUE"),
        (["before.data", "before.data", "--fail", "IDC=2"], "Write IDC=0.02 for 2 percentage"),
        (["before.data", "before.data", "--fail", "a/share=1"], "allows any fall"),
    ],
)
def test_mistakes(
    project: Project, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    record(project, "before.data", "[0]", 3)
    capsys.readouterr()
    assert main(["compare", *arguments]) == 2
    assert said in capsys.readouterr().err


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
