"""Thresholds that no test can meet, or any input meets, are said before the first test."""

from __future__ import annotations

import pytest

from tests.integration.conftest import Project

TEST = """
    import pytest
    from net import suite_points

    X, Y = suite_points()

    @pytest.mark.idc_suite
    def test_it(idc):
        idc(X)
"""


@pytest.fixture
def suite(project: Project) -> Project:
    project.write("test_it.py", TEST)
    return project


def said_before(result: pytest.RunResult) -> str:
    lines = result.outlines
    end = next(at for at, line in enumerate(lines) if line.startswith("test_it.py"))
    return " ".join(" ".join(lines[:end]).split())


@pytest.mark.parametrize(
    ("threshold", "hint"),
    [
        ("share:foo=0.5", "share:foo cannot be met: there is no such class; classes: 0, 1, 2"),
        ("IDC:0=0.5", "IDC was not measured per class (set idc_classes to each)"),
        ("NC@fc9=0.1", "NC@fc9 cannot be met: there is no such layer; layers"),
        ("LSC@fc1=0.1", "LSC is measured in layer fc2, not in fc1 (choose with --idc-surprise"),
        ("share@fc1=0.1", "IDC is measured in layer fc2, not in fc1 (choose with --idc-layer)"),
        ("defualt/NC=0.1", "there is no such suite; suites: default"),
        ("KMNC=0.1", "no KMNC was measured, only IDC, NC, LSC; add KMNC to --idc-criteria"),
    ],
)
def test_what_no_test_can_meet_is_said_and_fails(suite: Project, threshold: str, hint: str) -> None:
    result = suite.run("--idc-criteria=IDC,NC,LSC", f"--idc-fail-under={threshold}")
    assert hint in said_before(result)
    (gate,) = suite.report()["gates"]
    assert gate["status"] == "failed"
    assert result.parseoutcomes() == {"passed": 1, "failed": 1}


def test_a_threshold_of_0_asks_for_nothing(suite: Project) -> None:
    result = suite.run("--idc-fail-under=IDC=0")
    assert result.ret == 0
    assert "idc: IDC=0 asks for nothing: any input meets it" in said_before(result)


@pytest.mark.parametrize(
    "threshold",
    [
        "share:0=0.1",
        "share:*=0.01",
        "NC@fc1=0.1",
        "LSC@fc2=0.001",
        "default/IDC=0.1",
        "TOTAL/share=0.01",
    ],
)
def test_nothing_is_said_of_a_threshold_that_can_be_met(suite: Project, threshold: str) -> None:
    result = suite.run("--idc-criteria=IDC,NC,LSC", f"--idc-fail-under={threshold}")
    assert result.ret == 0
    assert "idc: " not in said_before(result).partition("rootdir")[2]


def test_thresholds_of_markers_are_looked_at_too(suite: Project) -> None:
    suite.write("test_it.py", TEST.replace("idc_suite", "idc_suite('a', fail_under='share:x=0.1')"))
    assert "a/share:x cannot be met: there is no such class" in said_before(suite.run())


def test_a_suite_of_another_run_is_not_called_absent(suite: Project) -> None:
    suite.write("test_other.py", TEST.replace("idc_suite", "idc_suite('clean')"))
    suite.run("test_other.py")
    result = suite.run("--idc-append", "--idc-fail-under=clean/IDC=0.01", "test_it.py")
    assert "there is no such suite" not in said_before(result)
    assert suite.report()["gates"][0]["status"] == "ok"
    shard = suite.run("--idc-shard", "--idc-fail-under=noise/IDC=0.01", "test_it.py")
    assert "there is no such suite" not in said_before(shard)
