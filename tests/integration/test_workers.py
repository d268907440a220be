"""Workers that crash, stop early or rerun; what is said before the tests; what crosses the wire."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pytest_deepimportance.cli.main import main
from tests.integration.conftest import Project
from tests.integration.sameness import comparable

pytest.importorskip("xdist")

SUITE = """
import os
import pytest
from net import points

pytestmark = pytest.mark.idc_suite


@pytest.mark.parametrize("seed", range(6))
def test_rows(idc, seed):
    idc(points(5, seed=seed))


def test_crashes(idc):
    idc(points(50, seed=77))
    if "CRASH" in os.environ:
        os._exit(9)


def test_fails(idc):
    idc(points(5, seed=78))
    assert "FAIL" not in os.environ
"""

SERIAL = ("-p", "no:xdist")


@pytest.fixture
def suite(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(project.path)
    project.write("test_it.py", SUITE)
    return project


def text_of(result: pytest.RunResult) -> str:
    return " ".join(result.stdout.str().split())


@pytest.fixture
def crashed(suite: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("CRASH", "1")
    return suite


def test_a_crash_loses_the_test_that_crashed_and_nothing_else(crashed: Project) -> None:
    result = crashed.run("-n", "2", "--idc-fail-under=share=0.01")
    assert result.ret == 1
    report = crashed.report()
    assert [row["nodeid"] for row in report["tests"]] == [
        "test_it.py::test_fails", *(f"test_it.py::test_rows[{seed}]" for seed in range(6)),
    ]  # fmt: skip
    assert report["total"]["inputs"] == 35
    assert report["run"]["lost"] == ["test_it.py::test_crashes"]
    assert (report["run"]["marked_collected"], report["run"]["marked_ran"]) == (8, 7)
    assert "7 of 8 marked tests" in report["gates"][0]["message"]
    text = text_of(result)
    assert "incomplete" in text
    assert "1 marked test was lost when its worker crashed: test_it.py::test_crashes" in text
    assert main(["report"]) == 0


@pytest.mark.parametrize(("partial", "status"), [("fail", "failed"), ("warn", "warned")])
def test_the_gate_after_a_crash_follows_idc_partial(
    crashed: Project, partial: str, status: str
) -> None:
    crashed.run("-n", "1", "--idc-fail-under=IDC=0.99", f"--idc-partial={partial}")
    (gate,) = crashed.report()["gates"]
    assert gate["status"] == status
    assert main(["report"]) == (2 if status == "failed" else 0)


def test_a_lost_test_that_runs_in_a_second_attempt_completes_the_data(
    crashed: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashed.run("-n", "1")
    monkeypatch.delenv("CRASH")
    crashed.run(*SERIAL, "--idc-append", "-k", "crashes")
    report = crashed.report()
    assert not report["run"]["lost"]
    assert not report["run"]["deselected"]
    assert report["total"]["inputs"] == 85
    crashed.run(*SERIAL)
    assert comparable(crashed.path / "idc.json")
    assert crashed.report()["total"] == report["total"]


def run_of(project: Project, *arguments: str) -> dict[str, Any]:
    project.run("-q", *arguments)
    found: dict[str, Any] = project.report()["run"]
    return found


@pytest.mark.parametrize(
    "arguments", [("-k", "rows"), ("-k", "rows", "--idc-fail-under=IDC=0.9"), ("--lf",)]
)
def test_partial_runs_read_as_in_a_serial_run(
    suite: Project, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIL", "1")
    suite.run("-q", *SERIAL)
    suite.run("-q", *SERIAL, *arguments)
    wanted = comparable(suite.path / "idc.json")
    assert suite.report()["run"]["deselected"]
    suite.run("-q", "-n", "2", *arguments)
    assert comparable(suite.path / "idc.json") == wanted


@pytest.mark.parametrize("option", ["-x", "--maxfail=1"])
def test_a_run_that_stops_at_a_failure_is_incomplete_under_workers_too(
    suite: Project, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIL", "1")
    gate = "--idc-fail-under=IDC=0.9"
    serial = run_of(suite, *SERIAL, option, gate)
    messages = [entry["message"] for entry in suite.report()["gates"]]
    spread = run_of(suite, "-n", "1", option, gate)
    assert not serial["complete"]
    assert not spread["complete"]
    assert spread["incomplete_because"] == serial["incomplete_because"]
    assert [entry["message"] for entry in suite.report()["gates"]] == messages


def test_reruns_count_the_last_attempt(suite: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pytest_rerunfailures")
    monkeypatch.setenv("FAIL", "1")
    suite.run("-q", *SERIAL, "--reruns=2")
    wanted = comparable(suite.path / "idc.json")
    assert suite.report()["exclusions"]["rerun_passes"] == 2
    suite.run("-q", "-n", "2", "--reruns=2")
    assert comparable(suite.path / "idc.json") == wanted


def test_what_cannot_be_met_is_said_under_workers_as_in_a_serial_run(suite: Project) -> None:
    arguments = ("--idc-fail-under=IDC=0.999", "--idc-partial=warn", "--cache-clear")
    serial = suite.run(*SERIAL, *arguments)
    spread = suite.run("-n", "2", *arguments)
    said = re.findall(r"idc: IDC 99.9 % is asked, but .*? or share", text_of(serial))
    assert len(said) == 1
    assert text_of(spread).count(said[0]) == 1
    lines = spread.stdout.lines
    first = next(number for number, line in enumerate(lines) if "is asked" in line)
    assert first < next(number for number, line in enumerate(lines) if "100%" in line)


def test_only_builtins_cross_the_wire(suite: Project) -> None:
    suite.write(
        "conftest.py",
        """
        PLAIN = (str, int, float, bool, bytes, type(None))

        def check(value):
            if isinstance(value, dict):
                assert type(value) is dict
                for key, item in value.items():
                    check(key)
                    check(item)
            elif isinstance(value, (list, tuple)):
                assert type(value) in (list, tuple)
                for item in value:
                    check(item)
            else:
                assert type(value) in PLAIN, type(value)

        import pytest

        @pytest.hookimpl(tryfirst=True)
        def pytest_report_to_serializable(config, report):
            if hasattr(report, "idc"):
                check(report.idc)
                with open(config.rootpath / "checked.txt", "a") as file:
                    file.write("x")
        """,
    )
    result = suite.run("-n", "1")
    assert result.ret == 0
    assert len((suite.path / "checked.txt").read_text()) == 8
