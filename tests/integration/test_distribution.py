"""However tests are spread over workers, the report is the one of a serial run, byte by byte."""

from __future__ import annotations

import sys

import pytest

from tests.integration.conftest import Project
from tests.integration.sameness import comparable

pytest.importorskip("xdist")

CONFTEST = """
import pytest
import torch
from net import points


@pytest.fixture(scope="session")
def shared(idc_model):
    x, y = points(20, seed=11)
    with torch.no_grad():
        return idc_model(x), y


@pytest.fixture(scope="module")
def of_module(idc_model):
    x, _ = points(9, seed=12)
    return idc_model(x)


@pytest.fixture(scope="session")
def unused_by_marked(idc_model):
    return idc_model(points(3, seed=13)[0])


@pytest.fixture(params=[1, 2])
def both(request, idc_model):
    return idc_model(points(4, seed=20 + request.param)[0])
"""

FIRST = """
import pytest
import torch
from net import Net, points

pytestmark = pytest.mark.idc_suite(name="first", requirement="R1")


def test_labels(shared, idc):
    idc.labels(shared[1])


@pytest.mark.parametrize("seed", range(6))
def test_rows(idc, seed):
    idc(points(5 + seed, seed=seed))


@pytest.mark.xdist_group("together")
def test_slice(idc):
    with idc.slice(weather="fog"):
        idc(points(3, seed=40))
    with idc.slice(weather="rain"):
        idc(points(3, seed=41))


@pytest.mark.xdist_group("together")
def test_left_out(idc, idc_model):
    with idc.paused():
        idc_model(points(2, seed=42)[0])
    Net(shift=0.3)(points(2, seed=42)[0])
    x = points(2, seed=43)[0].requires_grad_()
    idc_model(x).sum().backward()
    idc_model(torch.full((2, 2), float("nan")))
    idc(points(2, seed=44))


def test_silent():
    pass


def test_more_of_another(idc):
    Net(shift=0.3)(points(1, seed=42)[0])
"""

SECOND = """
import pytest
from net import points


@pytest.mark.idc_suite(name="second", slice={"kind": "odd"})
@pytest.mark.parametrize("seed", range(4))
def test_rows(of_module, idc, seed):
    idc(points(6, seed=100 + seed))


@pytest.mark.idc_suite(name="second")
def test_both(both):
    pass


@pytest.mark.idc_suite(name="noise", gate=False, criteria=["NC", "CC"])
def test_noise(idc, shared):
    idc(points(8, seed=200)[0] * 40)


@pytest.mark.idc_suite(name="second")
def test_skips(idc):
    idc(points(3, seed=300))
    pytest.skip("after all")


@pytest.mark.idc_suite(name="second")
@pytest.mark.xfail
def test_fails_as_it_says(idc):
    idc(points(3, seed=301))
    raise AssertionError


def test_unmarked_with_fixtures(unused_by_marked, of_module, shared):
    pass


@pytest.mark.parametrize("seed", range(3))
def test_unmarked(idc_model, seed):
    idc_model(points(3, seed=302 + seed)[0])
"""

DISTRIBUTIONS = {
    "1 worker": ("-n", "1"),
    "2 workers": ("-n", "2"),
    "4 workers": ("-n", "4"),
    "loadfile": ("-n", "2", "--dist=loadfile"),
    "loadscope": ("-n", "2", "--dist=loadscope"),
    "loadgroup": ("-n", "2", "--dist=loadgroup"),
    "worksteal": ("-n", "2", "--dist=worksteal"),
    "each": ("--dist=each", "--tx=2*popen"),
    "own interpreters": ("--dist=load", f"--tx=2*popen//python={sys.executable}"),
}


@pytest.fixture
def rich(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Every kind of fixture, of test and of pass that does not count, in two files."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    project.write("conftest.py", CONFTEST)
    project.write("test_a_first.py", FIRST)
    project.write("test_b_second.py", SECOND)
    return project


_SERIAL: list[str] = []
"""The report of the serial run, made once."""


def serial(project: Project) -> str:
    if not _SERIAL:
        project.run("-q", "-p", "no:xdist", "-p", "no:cacheprovider")
        _SERIAL.append(comparable(project.path / "idc.json"))
        (project.path / "idc.json").unlink()
    return _SERIAL[0]


@pytest.mark.parametrize("arguments", [pytest.param(a, id=n) for n, a in DISTRIBUTIONS.items()])
def test_the_report_does_not_depend_on_the_distribution(
    rich: Project, arguments: tuple[str, ...]
) -> None:
    wanted = serial(rich)
    for name in ("left_out", "silent", "weather", "R1", "unmarked tests made"):
        assert name in wanted
    rich.run("-q", "-p", "no:cacheprovider", *arguments)
    assert comparable(rich.path / "idc.json") == wanted
