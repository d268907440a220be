"""Random suites as a user of the plugin meets them: settings, table, gate, cache."""

from __future__ import annotations

import pytest

HELD_OUT = """
def held_out():
    return points(400, seed=9)
"""

TEST = """
import pytest
import torch
from net import points, suite_points

@pytest.mark.idc_suite("honest")
def test_honest(idc):
    x, y = suite_points()
    idc(x, labels=y)

@pytest.mark.idc_suite("narrow")
def test_narrow(idc):
    x, y = points(1, seed=3)
    idc(x + torch.linspace(0, 0.01, 50)[:, None])
"""


@pytest.fixture
def session(project):
    project.write("net.py", (project.path / "net.py").read_text() + HELD_OUT)
    project.write("test_it.py", TEST)
    return project


def random_of(project, suite="honest"):
    (found,) = [s for s in project.report()["suites"] if s["name"] == suite]
    return {r["criterion"]: r["random"] for r in found["criteria"].values() if r["random"]}


def test_held_out_data_by_specification(session):
    session.ini(
        "idc_null = net:held_out",
        "idc_fail_under =",
        "    honest/KMNC=random",
        "    honest/LSC=random",
        "    narrow/TKNC=random",
    )
    result = session.run("-v")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*idc::narrow::TKNC=random*"])
    result.stdout.no_fnmatch_line("*idc::honest::*")
    found = random_of(session)
    assert {"IDC", "NC", "KMNC", "NBC", "TKNP", "LSC", "DSC", "MDSC"} <= set(found)
    assert {r["source"] for r in found.values()} == {"net:held_out"}
    result.stdout.fnmatch_lines(["criterion *random suite*", "KMNC *x*"])
    assert session.report()["reference"]["rows"] == 600


def test_a_part_of_the_reference(session):
    session.ini("idc_null = part=0.3")
    session.run()
    assert 300 < session.report()["reference"]["rows"] < 500
    assert set(random_of(session)) >= {"IDC", "LSC"}
    assert "30% of net:reference" in random_of(session)["IDC"]["source"]


def test_what_covers_less_than_random_suites_is_said_with_where_they_come_from(session):
    session.ini()
    session.write("test_it.py", TEST.replace("def test_honest", "def honest"))
    result = session.run()
    result.stdout.fnmatch_lines(["*less than random suites from the reference, which the model*"])
    assert "IDC" in random_of(session, "narrow")


def test_another_null_or_other_options_build_the_profile_again(session):
    session.ini()
    session.run()
    session.run()
    assert session.report()["profile"]["origin"] == "cached"
    for lines in (
        ["idc_null = net:held_out"],
        ["idc_nc_threshold = 0.5"],
        ["idc_random_orders = 0"],
    ):
        session.ini(*lines)
        session.run()
        assert session.report()["profile"]["origin"] == "built"
    assert set(random_of(session)) == {"IDC"}


def test_a_null_that_does_not_exist_is_an_error_with_its_name(session):
    session.ini("idc_null = net:nothing")
    result = session.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*idc_null: *net has no 'nothing'*"])
