"""What failing tests cover, which tests count, and what does not count at all."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.conftest import Project

TESTS = """
import pytest
from net import suite_points

X, _ = suite_points()
attempts = []


@pytest.fixture(scope="module")
def shared(idc_model):
    idc_model(X[:4])


@pytest.fixture
def broken_later(idc_model):
    yield
    raise RuntimeError("in teardown")


@pytest.fixture
def broken(idc_model):
    idc_model(X[40:42])
    raise RuntimeError("in set-up")


@pytest.mark.idc_suite
def test_good(idc, shared):
    idc(X[4:10])


@pytest.mark.idc_suite
def test_error_in_teardown(idc, broken_later):
    idc(X[10:16])


BAD = '''
@pytest.mark.idc_suite
def test_bad(idc, shared):
    idc(X[8:30])
    assert False


@pytest.mark.idc_suite
@pytest.mark.xfail
def test_known_bug(idc):
    idc(X[30:40])
    assert False


@pytest.mark.idc_suite
def test_error_in_set_up(idc, broken):
    pass
'''

MORE = '''
@pytest.mark.idc_suite
def test_skips(idc):
    idc(X[50:])
    pytest.skip("enough")


@pytest.mark.idc_suite
def test_raises(idc, idc_model):
    with pytest.raises(RuntimeError):
        idc_model(X[:, :1])
    with idc.paused():
        idc_model(X[:2])
    idc(X[4:5])


@pytest.mark.idc_suite
@pytest.mark.flaky(reruns=2)
def test_flaky(idc):
    attempts.append(1)
    idc(X[42 : 42 + len(attempts)])
    assert len(attempts) == 3
'''
"""


def parts() -> tuple[str, str, str]:
    head, bad, more = TESTS.partition("BAD = '''")[0], *TESTS.split("'''")[1::2]
    return head, bad, more


def test_what_only_failing_tests_cover_in_every_criterion(project: Project) -> None:
    head, bad, _ = parts()
    project.write("test_net.py", head)
    project.run().assert_outcomes(passed=2, errors=1)
    alone = project.report()["total"]
    project.write("test_net.py", head + bad)
    result = project.run()
    result.assert_outcomes(passed=2, failed=1, xfailed=1, errors=2)
    total = project.report()["total"]
    assert (total["failed_tests"], total["xfailed_tests"], total["skipped_tests"]) == (
        2,
        1,
        0,
    )  # an error in set-up is no verdict of passing
    assert total["only_failing_inputs"] == 24
    for key, row in total["criteria"].items():
        if row["criterion"] not in ("CC", "NLC"):
            assert row["only_failing"] == row["covered"] - alone["criteria"][key]["covered"], key
    text = " ".join(result.stdout.str().split())
    only = total["criteria"]["IDC"]["only_failing"]
    assert f"{only} combination" in text
    assert "covered by failing tests only (also " in text
    project.run("--idc-count=passed", "-v")
    passed = project.report()
    for key, row in passed["total"]["criteria"].items():
        assert row["covered"] == alone["criteria"][key]["covered"], key
    assert passed["exclusions"]["unvouched_passes"] == 2


def kinds(exclusions: dict[str, Any]) -> dict[str, int]:
    return {name: number for name, number in exclusions.items() if name != "details" and number}


@pytest.mark.parametrize("workers", [("-p", "no:xdist"), ("-n", "2")], ids=["serial", "xdist"])
def test_every_kind_that_does_not_count_is_in_report_and_screen(
    project: Project, workers: tuple[str, ...]
) -> None:
    head, bad, more = parts()
    project.write("test_net.py", head + bad + more)
    result = project.run_apart(*workers, "-v")
    expected = {
        "skipped_passes": 1,
        "raised_passes": 1,
        "paused_passes": 1,
        "rerun_passes": 2,
        "unclaimed_passes": 1,
    }
    assert kinds(project.report()["exclusions"]) == expected
    text = " ".join(result.stdout.str().split())
    for words in ("1 pass of a skipped test", "1 pass that raised", "2 passes of earlier attempts"):
        assert words in text
    assert project.report()["total"]["skipped_tests"] == 1


def test_record_has_them_too() -> None:
    import torch

    from pytest_deepimportance import build_profile, record
    from tests.profile.builders import Mlp

    model = Mlp().eval()
    x = torch.randn(200, model.fc1.in_features, generator=torch.Generator().manual_seed(3))
    profile = build_profile(model, x, correct="all")
    with record(model, profile) as recording:
        with torch.no_grad():
            model(x[:5] + 1)
        with pytest.raises(RuntimeError):
            model(x[:, :1])
        model.fc1(x)
    found = recording.report().exclusions
    assert (found.raised_passes, found.partial_model_calls) == (1, 1)
