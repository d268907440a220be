"""A subtest reports while its test still runs: what it recorded belongs to the test."""

from __future__ import annotations

import pytest

from tests.integration.conftest import Project

FIXTURE = """
import pytest, torch, net

X, Y = net.suite_points()


@pytest.mark.idc_suite
def test_parts(idc_model, subtests):
    for n in range(4):
        with subtests.test(n=n):
            idc_model(X[n : n + 1])
            assert n != {failing}
    idc_model(X[10:13])


@pytest.mark.idc_suite
def test_after(idc_model):
    idc_model(X[20:22])


def test_plain(idc_model, subtests):
    for n in range(2):
        with subtests.test(n=n):
            idc_model(X[n : n + 1])
"""

CASE = """
import unittest
import pytest, torch, net

X, Y = net.suite_points()


@pytest.mark.idc_suite
class TestParts(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _model(self, idc_model):
        self.model = idc_model

    def test_parts(self):
        for n in range(4):
            with self.subTest(n=n):
                self.model(X[n : n + 1])
                assert n != {failing}
        self.model(X[10:13])
"""

needs_subtests = pytest.mark.skipif(
    pytest.version_tuple < (9,), reason="pytest has subtests since version 9"
)


@needs_subtests
@pytest.mark.parametrize("failing", [-1, 1])
@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["serial", "workers"])
def test_passes_of_subtests_are_those_of_their_test(
    project: Project, failing: int, workers: tuple[str, ...]
) -> None:
    project.write("test_it.py", FIXTURE.format(failing=failing))
    result = project.run(*workers)
    assert result.ret == (0 if failing < 0 else 1)
    report = project.report()
    assert [(t["nodeid"], t["inputs"], t["outcome"]) for t in report["tests"]] == [
        ("test_it.py::test_after", 2, "passed"),
        ("test_it.py::test_parts", 7, "passed" if failing < 0 else "failed"),
    ]
    assert report["exclusions"]["dropped_passes"] == 0
    assert report["exclusions"]["unmarked_passes"] == 2


@needs_subtests
@pytest.mark.parametrize("failing", [-1, 1])
def test_passes_of_unittest_subtests_too(project: Project, failing: int) -> None:
    project.write("test_it.py", CASE.format(failing=failing))
    project.run()
    report = project.report()
    assert [(t["inputs"], t["outcome"]) for t in report["tests"]] == [
        (7, "passed" if failing < 0 else "failed")
    ]
    assert report["exclusions"]["dropped_passes"] == 0
