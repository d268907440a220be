"""What a comparison cannot do is refused before the tests, with the way out."""

from __future__ import annotations

import pytest

from pytest_deepimportance.cli.main import main
from tests.integration.conftest import Project
from tests.integration.test_compare import SUITE, record


def test_a_first_run_is_told_how_to_go_on(project: Project) -> None:
    project.write("test_suite.py", SUITE.replace("{parts}", "[0]").replace("{far}", "3"))
    result = project.run("--idc-compare=absent.data")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["*data file not found: absent.data", "*first run*--idc-missing=skip"]
    )
    assert project.run("--idc-compare=absent.data", "--idc-missing=skip").ret == 0


@pytest.mark.parametrize(
    ("tolerance", "hint"),
    [("FOO=1", "compared by 'FOO'"), ("reached=0", "'reached'*Names: share, IDC, NC,")],
)
def test_a_number_that_no_run_has_is_refused_before_the_tests(
    project: Project, tolerance: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = record(project, "before.data", "[0]", 3)
    result = project.run(f"--idc-compare={before}", f"--idc-compare-fail={tolerance}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    capsys.readouterr()
    assert main(["compare", str(before), str(before), "--fail", tolerance]) == 2
    for said in (result.stderr.str(), capsys.readouterr().err):
        assert all(part in said for part in hint.split("*"))
