"""A model fixture of the user's own that an unmarked test, or a listing of tests, meets first."""

from __future__ import annotations

import pytest

from tests.integration.conftest import Project

OWN = """
import pytest, net


@pytest.fixture(scope="session")
def idc_model():
    return net.Net()


@pytest.fixture(scope="session")
def idc_reference():
    {reference}


@pytest.fixture(scope="session")
def predicted(idc_model):
    return idc_model(net.suite_points()[0][:5])
"""

TESTS = """
import pytest, net

X, Y = net.suite_points()


def test_plain(idc_model, request):
    idc_model(X[:1])
    request.getfixturevalue("predicted")


@pytest.mark.idc_suite
def test_marked(idc_model, predicted):
    idc_model(X[10:12])


def test_plain_later(idc_model):
    idc_model(X[:1])
"""


def test_what_unmarked_tests_do_is_seen_whether_they_come_first_or_last(project: Project) -> None:
    project.ini(model="", reference="")
    project.write("conftest.py", OWN.format(reference="return net.reference()"))
    project.write("test_it.py", TESTS)
    project.run()
    report = project.report()
    assert [test["inputs"] for test in report["tests"]] == [7]
    assert report["exclusions"]["unmarked_tests"] == 2
    assert report["exclusions"]["unmarked_passes"] == 2


@pytest.mark.parametrize("asked", ["request", "predicted, request"], ids=["later", "at-once"])
def test_an_unmarked_test_is_not_skipped_because_there_is_no_reference(
    project: Project, asked: str
) -> None:
    project.ini(model="", reference="")
    project.write("conftest.py", OWN.format(reference='pytest.skip("no data here")'))
    project.write("test_it.py", TESTS.replace("request)", f"{asked})"))
    result = project.run()
    result.assert_outcomes(passed=2, skipped=1)


def test_no_profile_is_made_for_unmarked_tests_alone(project: Project) -> None:
    project.ini(model="", reference="")
    project.write("conftest.py", OWN.format(reference="raise SystemExit"))
    project.write("test_it.py", TESTS)
    project.run("-k", "plain").assert_outcomes(passed=2, deselected=1)


@pytest.mark.parametrize(
    "option", ["--co", "--fixtures", "--fixtures-per-test", "--setup-only", "--setup-plan"]
)
def test_where_no_test_runs_nothing_is_prepared_and_nothing_said(
    project: Project, option: str
) -> None:
    project.ini("idc_fail_under = 0.9", reference="net:absent")
    project.write("test_it.py", TESTS.replace("predicted", "capsys"))
    result = project.run(option)
    assert result.ret == 0
    assert not [line for line in result.outlines if line.startswith("idc:") and "model" not in line]
