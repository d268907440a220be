from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from pytest_deepimportance import hookspecs
from tests.integration.conftest import Project

NAMES = [name for name in vars(hookspecs) if name.startswith("pytest_")]


@pytest.mark.parametrize("name", NAMES)
def test_every_hook_is_explained_with_an_example(name: str) -> None:
    text = inspect.getdoc(getattr(hookspecs, name)) or ""
    assert "For example:" in text
    assert f"def {name}(" in text


def test_hooks_are_known_to_pytest_and_misspelled_ones_are_not(pytester: pytest.Pytester) -> None:
    config = pytester.parseconfig()
    for name in NAMES:
        assert hasattr(config.hook, name)


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, warm: Path) -> Project:
    monkeypatch.setenv("COLUMNS", "80")
    return Project(pytester, warm / "python")


def test_batches_of_ones_own_form_and_the_finished_report(project: Project) -> None:
    project.write(
        "conftest.py",
        """
        from net import suite_points

        class Sample:
            def __init__(self):
                self.image, self.target = suite_points()

        def pytest_idc_batch(batch):
            if isinstance(batch, Sample):
                return batch.image, batch.target

        def pytest_idc_report(report):
            row = report.criteria["IDC"]
            print("SEEN", report.total.labelled, row.covered, row.total, len(report.gates))
        """,
    )
    project.write(
        "test_it.py",
        """
        from conftest import Sample
        from net import suite_points

        def test_own_form(idc):
            idc(Sample())

        def test_plain_form(idc):
            idc(suite_points()[0])
        """,
    )
    result = project.run("--idc-fail-under=0.01", "-s")
    result.assert_outcomes(passed=2)
    row = project.report()["total"]["criteria"]["IDC"]
    result.stdout.fnmatch_lines([f"*SEEN 60 {row['covered']} {row['total']} 1"])
