"""What a run with -q says: one line of numbers, and everything that keeps a gate from its word."""

from __future__ import annotations

import pytest

from pytest_deepimportance.cli.main import main
from tests.integration.conftest import Project

TEST = """
    import pytest
    from net import points, suite_points

    X, Y = suite_points()

    @pytest.mark.idc_suite
    def test_few(idc):
        idc(X)

    @pytest.mark.idc_suite("many")
    def test_many(idc):
        idc(points(700, 3)[0])
"""


@pytest.fixture
def suite(project: Project) -> Project:
    project.write("test_it.py", TEST)
    return project


def own_lines(result: pytest.RunResult) -> list[str]:
    """Return the lines between the progress dots and pytest's own last line."""
    lines = result.outlines
    start = next(at for at, line in enumerate(lines) if " total: " in line)
    return lines[start:-1]


def test_a_met_gate_leaves_the_line_of_the_total(suite: Project) -> None:
    lines = own_lines(suite.run("-q", "--idc-fail-under=0.01"))
    assert len(lines) == 1
    assert lines[0].startswith("IDC total: ")


def test_a_gate_that_is_not_judged_is_said(suite: Project) -> None:
    result = suite.run("-q", "--idc-fail-under=many/IDC=random")
    assert result.ret == 0
    text = " ".join(own_lines(result))
    assert "NOTE many/IDC is not judged: " in text
    assert "700" in text


def test_a_partial_run_says_so_also_where_its_gate_is_met(suite: Project) -> None:
    result = suite.run("-q", "-k", "few", "--idc-fail-under=0.01")
    assert result.ret == 0
    assert own_lines(result)[1:] == ["partial    1 of 2 marked tests ran"]
    (gate,) = suite.report()["gates"]
    assert gate["status"] == "ok"
    assert gate["message"].endswith("; partial: 1 of 2 marked tests")


def test_a_part_of_the_tests_meets_no_threshold_that_all_may_miss(suite: Project) -> None:
    for threshold, low in (("NLC", "0.000001"), ("CC", "1")):
        result = suite.run("-q", "-k", "few", f"--idc-fail-under={threshold}={low}")
        assert result.ret == 0
        (gate,) = suite.report()["gates"]
        assert gate["status"] == "not judged"
        assert gate["message"].startswith(f"{threshold} is not judged: all tests may stay below; p")
        assert main(("report", "--fail-under", f"{threshold}={low}")) == 2


def test_an_unmet_gate_of_a_partial_run_that_only_warns_is_said(suite: Project) -> None:
    result = suite.run("-q", "-k", "few", "--idc-fail-under=0.999", "--idc-partial=warn")
    assert result.ret == 0
    assert any(line.startswith("WARN IDC ") for line in own_lines(result))


def test_a_run_that_is_stopped_says_once_that_gates_are_not_judged(suite: Project) -> None:
    suite.write("test_a.py", "def test_wrong():\n    assert 0\n\ndef test_too():\n    assert 0\n")
    suite.write("test_z.py", "def test_wrong():\n    assert 0\n")
    given = ("--idc-fail-under=0.1", "--idc-fail-under=NC=0.1", "--maxfail=3")
    text = " ".join(" ".join(own_lines(suite.run("-q", *given))).split())
    assert "incomplete the run was stopped early: stopping after 3 failures" in text
    assert text.count("not judged") == 1


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["serial", "workers"])
def test_plugins_that_write_reports_down_find_nothing_of_ours(
    project: Project, workers: tuple[str, ...]
) -> None:
    project.write(
        "conftest.py",
        """
        WORKER = []

        def pytest_configure(config):
            WORKER[:] = [1] * hasattr(config, "workerinput")

        def pytest_runtest_logreport(report):
            if not WORKER:
                with open("seen.txt", "a") as file:
                    print(hasattr(report, "idc"), file=file)
        """,
    )
    project.write(
        "test_it.py",
        """
        import pytest, net

        @pytest.mark.idc_suite
        def test_it(idc_model):
            idc_model(net.suite_points()[0])
        """,
    )
    project.run(*workers)
    assert project.report()["tests"][0]["inputs"] == 60
    assert (project.path / "seen.txt").read_text().split() == ["False"] * 3
