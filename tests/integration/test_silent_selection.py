"""Plugins that leave tests out while they are collected, and tell nobody: pytest-testmon, picked."""

from __future__ import annotations

import pytest

from tests.integration.conftest import Project

PLUGIN = """
import os


def pytest_addoption(parser):
    parser.addoption("{option}", action="store_true")


def pytest_ignore_collect(collection_path, config):
    if config.option.{name} and collection_path.name in os.environ.get("UNCHANGED", "").split():
        return True
"""

TEST = """
import pytest, net


@pytest.mark.idc_suite
def test_it(idc_model):
    idc_model(net.suite_points()[0][{start}:{stop}])
"""


@pytest.mark.parametrize("option", ["--testmon", "--picked"])
def test_a_run_of_what_has_changed_is_called_partial(
    project: Project, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    project.write("conftest.py", PLUGIN.format(option=option, name=option[2:]))
    for number in range(3):
        start = number * 10
        project.write(f"test_{number}.py", TEST.format(start=start, stop=start + 10))
    project.run(option, "--idc-fail-under=0.5")
    assert (project.report()["run"]["marked_ran"], project.report()["run"]["deselected"]) == (3, 0)
    monkeypatch.setenv("UNCHANGED", "test_0.py test_1.py")
    for _ in range(2):
        result = project.run(option, "--idc-fail-under=0.5")
        assert project.report()["run"]["marked_collected"] == 3
        result.stdout.fnmatch_lines(["*partial*1 of 3 marked tests*"])
    monkeypatch.setenv("UNCHANGED", "test_0.py test_1.py test_2.py")
    result = project.run(option, "--idc-fail-under=0.5")
    result.stdout.fnmatch_lines(["*no marked test is among those selected*"])
