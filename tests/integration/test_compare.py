"""`deepimportance compare` of the data files of real runs."""

from __future__ import annotations

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
    asked = ["--fail", "IDC=0", "--fail", "share=0", "--fail", "NC=0.99"]
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
