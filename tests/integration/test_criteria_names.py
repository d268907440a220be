"""How criteria are named: in any case, at least one."""

from __future__ import annotations

import pytest

from tests.integration.conftest import Project

TEST = """
    import pytest
    from net import suite_points

    X, Y = suite_points()

    @pytest.mark.idc_suite("one", criteria=["tknc"])
    def test_one(idc):
        idc(X[:20])

    @pytest.mark.idc_suite("two")
    def test_two(idc):
        idc(X[20:])
"""


@pytest.fixture
def suite(project: Project) -> Project:
    project.write("test_it.py", TEST)
    return project


@pytest.mark.parametrize("given", ["kmnc,Nc", "NC,KMNC"])
def test_our_criteria_are_named_in_any_case(suite: Project, given: str) -> None:
    suite.run("--idc-criteria", given).assert_outcomes(passed=2)
    one, two = suite.report()["suites"]
    assert {row["criterion"] for row in one["criteria"].values()} == {"TKNC"}
    assert {row["criterion"] for row in two["criteria"].values()} == {"NC", "KMNC", "TKNC"}


def test_all_is_a_word_in_any_case(suite: Project) -> None:
    suite.run("--idc-criteria=ALL").assert_outcomes(passed=2)
    assert {"IDC", "NLC"} <= set(suite.report()["total"]["criteria"])


@pytest.mark.parametrize("given", ["", ","])
def test_no_name_at_all_is_refused(suite: Project, given: str) -> None:
    result = suite.run(f"--idc-criteria={given}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--idc-criteria (command line): no name is given, such as all, IDC" in (
        result.stderr.str()
    )
