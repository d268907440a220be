"""Which test covers what: --idc-context=test and `deepimportance tests`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_deepimportance.cli.main import main
from tests.integration.conftest import Project
from tests.integration.sameness import comparable

SUITE = """
import pytest
from net import points


@pytest.mark.idc_suite(name="one")
@pytest.mark.parametrize("seed", range(4))
def test_rows(idc, seed):
    idc(points(10 * seed + 1, seed=seed))


@pytest.mark.idc_suite(name="one")
def test_repeats(idc):
    idc(points(11, seed=1))


@pytest.mark.idc_suite(name="two")
def test_silent():
    pass
"""


@pytest.fixture
def suite(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(project.path)
    project.write("test_it.py", SUITE)
    return project


def test_the_report_says_what_each_test_adds(suite: Project) -> None:
    result = suite.run("-p", "no:xdist", "--idc-context=test")
    found = suite.report()["contributions"]
    tests = {test["nodeid"].partition("::")[2]: test for test in found["tests"]}
    assert set(tests) == {*(f"test_rows[{n}]" for n in range(4)), "test_repeats", "test_silent"}
    repeats, rows = tests["test_repeats"], tests["test_rows[1]"]
    assert repeats["covers"] == rows["covers"] > 0
    assert repeats["only"] == rows["only"] == 0
    assert tests["test_silent"]["covers"] == 0
    assert sum(test["adds"] for test in tests.values()) == found["items"]
    assert found["left_out"] == ["CC", "NLC"]
    assert "cover all that all cover" in " ".join(suite.report()["remarks"])
    assert result.ret == 0
    suite.run("-p", "no:xdist")
    assert suite.report()["contributions"] is None


def test_workers_and_shards_say_the_same(suite: Project) -> None:
    suite.run("-q", "-p", "no:xdist", "--idc-context=test")
    wanted = comparable(suite.path / "idc.json")
    suite.run("-q", "-n", "2", "--idc-context=test")
    assert comparable(suite.path / "idc.json") == wanted
    for number, chosen in enumerate(("rows", "not rows")):
        suite.run("-q", "-p", "no:xdist", "--idc-context=test", "--idc-shard",
                  f"--idc-data-file=s{number}.data", "-k", chosen)  # fmt: skip
    assert main(["combine", "s0.data", "s1.data", "-o", "all.data"]) == 0
    assert main(["report", "all.data", "--report", "json:idc.json"]) == 0
    assert comparable(suite.path / "idc.json") == wanted


def test_the_command_and_the_subset_it_writes(
    suite: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    suite.run("-q", "-p", "no:xdist")
    whole = suite.report()["total"]["criteria"]
    capsys.readouterr()
    assert main(["tests", "--minimise", "keep.txt", "--json", "all.json"]) == 0
    printed = capsys.readouterr().out
    assert "cover as much as all" in printed
    assert max(map(len, printed.splitlines())) <= 80
    kept = Path("keep.txt").read_text().split()
    (found,) = json.loads(Path("all.json").read_text())["contributions"]
    assert kept == [
        t["nodeid"] for t in sorted(found["tests"], key=lambda t: t["place"]) if t["place"]
    ]
    assert found["at_least"] <= len(kept) < 6
    suite.run("-q", "-p", "no:xdist", "@keep.txt")
    assert suite.report()["run"]["marked_ran"] == len(kept)
    part = suite.report()["total"]["criteria"]
    for key, row in whole.items():
        if row["criterion"] not in ("CC", "NLC"):
            assert part[key]["covered"] == row["covered"], key


def test_one_criterion_one_suite_and_mistakes(
    suite: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    suite.run("-q", "-p", "no:xdist")
    capsys.readouterr()
    assert main(["tests", "--criteria", "idc", "--suite", "one", "-q"]) == 0
    printed = capsys.readouterr().out.splitlines()
    covered = suite.report()["total"]["criteria"]["IDC"]["covered"]
    assert printed[0] == f"items      {covered} of IDC"
    assert "of 5 cover" in printed[1]
    for arguments, word in (
        (["--criteria", "CC"], "no items of CC"),
        (["--criteria", "ICD"], "unknown criterion"),
        (["--suite", "on"], "did you mean one"),
    ):
        assert main(["tests", *arguments]) == 2
        assert word in capsys.readouterr().err


def test_the_text_says_that_only_a_part_ran(
    suite: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    suite.run("-p", "no:xdist", "-k", "rows")
    capsys.readouterr()
    assert main(["tests"]) == 0
    assert "partial    4 of 6 marked tests ran" in capsys.readouterr().out


TWO = """
import pytest
from net import Net, suite_points


@pytest.fixture(scope="session")
def idc_model():
    return Net({shift}).eval()


@pytest.mark.idc_suite("{suite}")
def test_own(idc):
    idc(suite_points()[0])
"""


def test_a_model_without_what_is_asked_for_hides_no_other(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project.path)
    project.ini(model="")
    for suite, shift in (("near", 0.0), ("far", 0.1)):
        project.write(f"test_{suite}.py", TWO.format(suite=suite, shift=shift))
    assert project.run("-p", "no:xdist").ret == 0
    assert len(project.reports()) == 2
    for suite in ("near", "far"):
        capsys.readouterr()
        assert main(["tests", "-q", "--suite", suite]) == 0
        out = capsys.readouterr().out
        assert out.count("model      Net ") == 2
        assert out.count("subset     1 test of 1") == 1
        assert f"note       not shown: it has no test of suite '{suite}'" in out
