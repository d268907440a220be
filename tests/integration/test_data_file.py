"""The data file: written by every session, added to by --idc-append, combined from shards."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_deepimportance.cli.main import main
from pytest_deepimportance.store.datafile import read
from tests.integration.conftest import Project
from tests.integration.sameness import comparable

CONFTEST = """
import pytest
import torch
from net import points


@pytest.fixture(scope="session")
def shared(idc_model):
    x, y = points(20, seed=11)
    return idc_model(x), y
"""

FIRST = """
import pytest
import torch
from net import Net, points

pytestmark = pytest.mark.idc_suite(name="first", requirement="R1")


def test_labels(shared, idc):
    idc.labels(shared[1])


@pytest.mark.parametrize("seed", range(4))
def test_rows(idc, seed):
    with idc.slice(weather="fog"):
        idc(points(5 + seed, seed=seed))


def test_left_out(idc, idc_model):
    with idc.paused():
        idc_model(points(2, seed=42)[0])
    Net(shift=0.3)(points(2, seed=42)[0])
    idc_model(torch.full((2, 2), float("nan")))


def test_silent():
    pass
"""

SECOND = """
import pytest
from net import points


@pytest.mark.idc_suite(name="second", fail_under="IDC=0.01", reason="agreed")
@pytest.mark.parametrize("seed", range(3))
def test_rows(shared, idc, seed):
    idc(points(6, seed=100 + seed))


def test_unmarked(idc_model):
    idc_model(points(3, seed=302)[0])
"""


@pytest.fixture
def suite(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(project.path)
    project.ini("idc_fail_under =", "    share=0.3  # a start")
    project.write("conftest.py", CONFTEST)
    project.write("test_a_first.py", FIRST)
    project.write("test_b_second.py", SECOND)
    return project


def run(project: Project, *arguments: str) -> pytest.RunResult:
    return project.run("-q", "-p", "no:xdist", *arguments)


def from_data(project: Project, *arguments: str) -> tuple[int, str]:
    """Return exit status and comparable report of `deepimportance report`."""
    code = main(["report", *arguments, "--report", "json:again.json"])
    return code, comparable(project.path / "again.json")


def test_the_file_of_a_session_gives_its_report_again(
    suite: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    result = run(suite)
    assert (suite.path / "deepimportance.data").is_file()
    screen = result.stdout.str()
    capsys.readouterr()
    code, again = from_data(suite)
    assert (code, again) == (0, comparable(suite.path / "idc.json"))
    printed = capsys.readouterr().out
    total = next(line for line in printed.splitlines() if line.startswith("IDC total"))
    assert total in screen


def test_where_it_is_written(suite: Project) -> None:
    run(suite, "--idc-data-file=none")
    assert not (suite.path / "deepimportance.data").exists()
    run(suite, "--idc-data-file=build/mine.data")
    assert read(suite.path / "build/mine.data").profiles
    assert not (suite.path / "deepimportance.data").exists()
    suite.ini("idc_data_file = out/own.data")
    run(suite, "-k", "labels")
    assert read(suite.path / "out/own.data").profiles


def test_a_file_that_cannot_be_written_fails_the_run(suite: Project) -> None:
    suite.write("test_c.py", "def test_late():\n    open('build', 'w').close()\n")
    result = run(suite, "--idc-data-file=build/x.data")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*cannot be written to*", "*--idc-data-file=none*"])


def test_nothing_is_written_where_nothing_is_measured(suite: Project) -> None:
    run(suite, "-k", "unmarked")
    run(suite, "--no-idc")
    run(suite, "--collect-only")
    assert not (suite.path / "deepimportance.data").exists()


SHARDS: dict[str, Sequence[Sequence[str]]] = {
    "by file": (["test_a_first.py"], ["test_b_second.py"]),
    "by name": (["-k", "labels or silent or unmarked"], ["-k", "rows"], ["-k", "left_out"]),
    "overlapping": (["test_a_first.py"], ["-k", "rows or unmarked"]),
}


@pytest.mark.parametrize("shards", [pytest.param(s, id=n) for n, s in SHARDS.items()])
def test_shards_combine_to_the_unsharded_result(
    suite: Project, shards: Sequence[Sequence[str]]
) -> None:
    run(suite)
    wanted = comparable(suite.path / "idc.json")
    for number, arguments in enumerate(shards):
        result = run(suite, "--idc-shard", f"--idc-data-file=shards/{number}.data", *arguments)
        assert result.ret == 0
    files = sorted(str(path) for path in (suite.path / "shards").iterdir())
    for order in (["shards"], files[::-1]):
        assert main(["combine", *order, "-o", "all.data"]) == 0
        assert from_data(suite, "all.data") == (0, wanted)


def test_append_adds_to_what_is_there(suite: Project) -> None:
    run(suite)
    wanted = comparable(suite.path / "idc.json")
    (suite.path / "deepimportance.data").unlink()
    run(suite, "--idc-append", "test_b_second.py")
    run(suite, "--idc-append", "test_a_first.py")
    assert comparable(suite.path / "idc.json") == wanted
    run(suite, "--idc-append", "-k", "silent")
    assert comparable(suite.path / "idc.json") == wanted
    assert from_data(suite)[1] == wanted


def test_append_refuses_another_model_with_both_fingerprints(suite: Project) -> None:
    run(suite)
    before = (suite.path / "deepimportance.data").read_bytes()
    (old,) = read(suite.path / "deepimportance.data").profiles
    suite.write("other.py", "from net import Net\n\ndef other():\n    return Net(shift=0.2)\n")
    suite.ini(model="other:other")
    result = run(suite, "--idc-append")
    assert result.ret == pytest.ExitCode.USAGE_ERROR  # before the first test
    text = " ".join((result.stdout.str() + result.stderr.str()).split())
    assert old[:12] in text
    assert text.count("profile ") >= 2
    assert "cannot be combined" in text
    assert "deepimportance erase" in text
    assert "shard" not in text
    assert (suite.path / "deepimportance.data").read_bytes() == before


def test_append_refuses_another_m_before_the_tests(suite: Project) -> None:
    run(suite)
    result = run(suite, "--idc-append", "--idc-m=2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = " ".join(result.stderr.str().split())
    assert "idc_m: auto in" in text
    assert "2 in this session" in text
    assert "deepimportance erase" in text
    assert "shard" not in text


def test_a_damaged_file_is_said_before_the_tests_run(suite: Project) -> None:
    file = suite.path / "deepimportance.data"
    for content in (b"something else entirely", b'12345678{"__metadata__":{"idc":"cut'):
        file.write_bytes(content)
        result = run(suite, "--idc-append")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        said = result.stderr.str() + result.stdout.str()
        assert "--idc-append cannot add to what is there" in said
        assert f"deepimportance erase {file}" in said
        assert main(["erase", str(file)]) == 0  # the advice works
    assert run(suite, "--idc-append", "-k", "labels").ret == 0


def test_a_shard_judges_nothing_and_the_whole_does(suite: Project) -> None:
    high = "--idc-fail-under=IDC=0.99"
    assert run(suite, high, "test_b_second.py").ret == 1
    shard = run(suite, high, "--idc-shard", "test_b_second.py")
    assert shard.ret == 0
    (gate, *_) = suite.report()["gates"]
    assert gate["status"] == "not judged"
    assert "shard" in gate["message"]
    assert from_data(suite)[0] == 2
    assert from_data(suite, "--fail-under=IDC=0.01")[0] == 0
    assert from_data(suite, "--fail-under=IDC=0.99", "--partial=warn")[0] == 2


def test_a_test_that_ran_twice_with_other_inputs_is_not_reproducible(suite: Project) -> None:
    run(suite)
    inputs = suite.report()["total"]["inputs"]
    suite.write("test_b_second.py", SECOND.replace("seed=100 + seed", "seed=500 + seed"))
    run(suite, "--idc-append", "test_b_second.py")
    report = suite.report()
    assert report["total"]["inputs"] == inputs + 18
    named = [note for note in report["notes"] if "not reproducible" in note]
    assert len(named) == 3
    assert "test_b_second.py::test_rows[0] is not reproducible: it ran more than once" in named[0]
    rows = {row["nodeid"]: row for row in report["tests"]}
    assert rows["test_b_second.py::test_rows[0]"]["inputs"] == 20 + 12


def test_a_retry_of_a_failed_test_counts_once_with_its_last_outcome(suite: Project) -> None:
    body = SECOND + "\n    import os; assert os.path.exists('fixed')\n"
    body = body.replace("def test_unmarked(", "@pytest.mark.idc_suite\ndef test_late(")
    suite.write("test_b_second.py", body)
    run(suite)
    failed = suite.report()
    assert {t["outcome"] for t in failed["tests"] if "late" in t["nodeid"]} == {"failed"}
    (suite.path / "fixed").write_text("")
    run(suite, "--idc-append", "--lf")
    report = suite.report()
    assert {t["outcome"] for t in report["tests"]} == {"passed"}
    assert report["total"]["inputs"] == failed["total"]["inputs"]
    assert report["total"]["rows"] == failed["total"]["rows"]
    assert not report["run"]["deselected"]


def test_show_and_erase(suite: Project, capsys: pytest.CaptureFixture[str]) -> None:
    run(suite)
    (fingerprint,) = read(suite.path / "deepimportance.data").profiles
    capsys.readouterr()
    assert main(["show"]) == 0
    shown = capsys.readouterr().out
    for text in ("10 ran", fingerprint[:16], "net:Net", "suite      second: 3 tests",
                 "idc_fail_under = share=0.3"):  # fmt: skip
        assert text in shown
    assert main(["erase"]) == 0
    assert not (suite.path / "deepimportance.data").exists()
    assert main(["erase"]) == 0
    assert "does not exist" in capsys.readouterr().out


def failing(arguments: Sequence[Any], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main([str(part) for part in arguments]) == 2
    return capsys.readouterr().err


def test_mistakes_of_the_commands(
    suite: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(suite)
    (tmp_path / "empty").mkdir(exist_ok=True)
    assert "holds no file *.data" in failing(["combine", tmp_path / "empty"], capsys)
    assert "not found" in failing(["report", "absent.data"], capsys)
    assert "not erased" in failing(["erase", "net.py"], capsys)
    assert "empty is a folder, not a data file" in failing(["erase", tmp_path / "empty"], capsys)
    for command in (["combine", "deepimportance.data", "-o", "net.py/x"],
                    ["tests", "--minimise", "net.py/x"]):  # fmt: skip
        said = failing(command, capsys)
        assert "Give a file in a folder you may write to.\n" in said
        assert "--idc-" not in said
    assert Path("net.py").exists()
    Path("parts").mkdir()
    shutil.copy("deepimportance.data", "parts/1.data")
    assert main(["combine", "parts", "-o", "parts/all.data"]) == 0
    said = failing(["combine", "parts", "-o", "parts/all.data"], capsys)
    assert "deepimportance erase parts/all.data" in said
    assert main(["combine", "parts/1.data", "parts/all.data", "-o", "parts/all.data"]) == 0
    shutil.copy("net.py", "precious")
    said = failing(["combine", "deepimportance.data", "-o", "precious"], capsys)
    assert "-o precious is there already and is not written over" in said
    assert Path("precious").read_text() == Path("net.py").read_text()
