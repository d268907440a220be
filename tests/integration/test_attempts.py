"""Attempts at a test of which no report tells, and tests that run in a process of their own."""

from __future__ import annotations

import os

import pytest

from tests.integration.conftest import Project

# As flaky does: only the reports of the last attempt are handed on.
HIDDEN = """
import pytest
from _pytest.runner import runtestprotocol


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    for _ in range(3):
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        if all(report.passed for report in reports):
            break
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    return True
"""

# As pytest-retry does: the test runs again while the report of its first attempt is made.
INSIDE = """
import pytest


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    report = yield
    while call.when == "call" and call.excinfo is not None:
        ihook = item.ihook
        ihook.pytest_runtest_teardown(item=item, nextitem=pytest.Class.from_parent(item.session, name="X"))
        item._initrequest()
        ihook.pytest_runtest_setup(item=item)
        call = pytest.CallInfo.from_call(lambda: ihook.pytest_runtest_call(item=item), "call")
        report.outcome = "failed" if call.excinfo else "passed"
        report.longrepr = None
    return report
"""

# As pytest-forked does: reports cross a process as builtins, and are handed on by the parent.
FORKED = """
import marshal, os, pytest
from _pytest.runner import runtestprotocol


def plain(report):
    kept = ("nodeid", "location", "outcome", "when", "sections", "duration", "idc")
    found = {name: getattr(report, name) for name in kept if hasattr(report, name)}
    return {**found, "keywords": {}, "longrepr": report.longrepr and str(report.longrepr)}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with open(writer, "wb") as out:
                marshal.dump([plain(r) for r in runtestprotocol(item, log=False)], out)
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as made:
        reports = [pytest.TestReport(**report) for report in marshal.load(made)]
    os.waitpid(child, 0)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    return True
"""

TESTS = """
import pytest, torch, net

X, Y = net.suite_points()
TRIED = []


@pytest.fixture(scope="module")
def predicted(idc_model):
    return idc_model(X[40:45])


@pytest.mark.idc_suite("first", fail_under=0.99)
def test_third_time(idc_model, predicted):
    TRIED.append(1)
    idc_model(X[len(TRIED) : len(TRIED) + 1])
    idc_model(X[20:22])
    assert len(TRIED) >= {needed}


@pytest.mark.idc_suite
def test_at_once(idc, predicted):
    idc(X[30:34], labels=Y[30:34])
    with idc.paused():
        idc(X[:1])


def test_plain(idc_model):
    idc_model(X[:1])


@pytest.mark.idc_suite
def test_left_out(idc_model):
    idc_model(X[50:51])
"""

OWN_MODEL = """
import pytest, net


@pytest.fixture(scope="session")
def idc_model():
    return net.Net()


@pytest.fixture(scope="session")
def idc_reference():
    return net.reference()
"""


@pytest.mark.parametrize("how", [HIDDEN, INSIDE], ids=["hidden", "inside"])
@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["serial", "workers"])
def test_attempts_that_nobody_reports_are_counted_and_nothing_else_is_lost(
    project: Project, how: str, workers: tuple[str, ...]
) -> None:
    project.write("conftest.py", how)
    project.write("test_it.py", TESTS.format(needed=3))
    project.run("-p", "no:rerunfailures", "--deselect", "test_it.py::test_left_out", *workers)
    report = project.report()
    assert [(t["nodeid"].split("::")[1], t["inputs"], t["outcome"]) for t in report["tests"]] == [
        ("test_at_once", 9, "passed"),
        ("test_third_time", 8, "passed"),
    ]
    assert report["exclusions"]["rerun_passes"] == 4
    assert report["exclusions"]["paused_passes"] == report["exclusions"]["unmarked_passes"] == 1
    assert report["run"]["deselected"] == 1
    assert [gate["suite"] for gate in report["gates"]] == ["first"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes are forked here")
@pytest.mark.parametrize("own", [False, True], ids=["named", "fixtures"])
@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["serial", "workers"])
def test_a_process_for_each_test_gives_the_same_report(
    project: Project, own: bool, workers: tuple[str, ...]
) -> None:
    if own:
        project.ini(model="", reference="")
    project.write("test_it.py", TESTS.format(needed=1))
    project.write("conftest.py", OWN_MODEL * own)
    project.run("-p", "no:rerunfailures")
    expected = project.report()
    (project.path / "idc.json").unlink()
    project.write("conftest.py", OWN_MODEL * own + FORKED)
    project.run("-p", "no:rerunfailures", *workers)
    found = project.report()
    for part in ("suites", "tests", "exclusions", "run", "gates"):
        assert found[part] == expected[part], part
