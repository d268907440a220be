"""Places that take no file are refused before the first test."""

from __future__ import annotations

import pytest

from tests.integration.conftest import Project

TEST = """
    import pytest
    from net import suite_points

    @pytest.mark.idc_suite
    def test_it(idc):
        idc(suite_points()[0])
"""


def test_a_place_that_takes_no_file_is_said_before_the_tests(project: Project) -> None:
    project.write("test_it.py", TEST)
    (project.path / "build").mkdir()
    for place, hint in (("test_it.py/x.data", "test_it.py is no folder"),
                        ("build", "build is a folder")):  # fmt: skip
        result = project.run(f"--idc-data-file={place}")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"*{hint}", "*--idc-data-file=none"])
    (project.path / "deepimportance.data").mkdir()
    assert project.run("-k", "labels").ret == pytest.ExitCode.USAGE_ERROR
    project.write("test_plain.py", "def test_plain():\n    pass\n")
    assert project.run("test_plain.py").ret == 0  # it measures nothing, and writes nothing
