"""When hooks are on the model: from the first marked test on, never in an unmarked one, gone at the end."""

from __future__ import annotations

import pytest

from tests.integration.conftest import Project

CONFTEST = """
import pytest
import net

MODEL = net.Net().eval()


def hooks():
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in MODEL.modules())


@pytest.fixture(scope="session")
def idc_model():
    return MODEL


@pytest.fixture
def after():
    yield
    MODEL(net.suite_points()[0])
    print("after", hooks() > 0)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish():
    print("end", hooks())
"""

TESTS = """
import pytest
from conftest import MODEL, hooks
import net

X = net.suite_points()[0]


@pytest.mark.idc_suite
@pytest.mark.parametrize("n", range(3))
def test_marked(after, n):
    MODEL(X[n : n + 1])
    {stop}


def test_plain(after):
    print("plain", hooks())
    MODEL(X)


@pytest.mark.idc_suite
def test_last(after):
    MODEL(X[5:7])
"""


def test_hooks_rest_between_marked_tests_and_are_off_elsewhere(project: Project) -> None:
    project.ini(model="")
    project.write("conftest.py", CONFTEST)
    project.write("test_it.py", TESTS.format(stop=""))
    result = project.run("-s", "-p", "no:cacheprovider", "-q")
    result.assert_outcomes(passed=5)
    text = result.stdout.str()
    # After the third marked test comes an unmarked one, after the last one nothing.
    assert text.count("after True") == 2
    assert text.count("after False") == 3
    assert "plain 1" in text  # the hook that counts
    assert "end 0" in text
    report = project.report()
    assert report["total"]["inputs"] == 5
    assert report["exclusions"]["unmarked_passes"] == 1


@pytest.mark.parametrize("stop", ["assert False", "raise KeyboardInterrupt", "pytest.exit('now')"])
def test_a_session_that_stops_leaves_no_hook(project: Project, stop: str) -> None:
    project.ini(model="")
    project.write("conftest.py", CONFTEST)
    project.write("test_it.py", TESTS.format(stop=stop))
    result = project.run_apart("-s", "-x", "-q")
    assert result.ret != 0
    assert "end 0" in result.stdout.str()
