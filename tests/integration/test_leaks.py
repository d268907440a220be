"""Test inputs that are in the reference too."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.integration.conftest import Project
from tests.oracles.reference_leaks import leaked

TESTS = """
import pytest
import torch
from net import reference, suite_points

LEAKS, FRESH = reference()[0][:30], suite_points()[0]


@pytest.mark.idc_suite("mixed")
def test_mixed(idc_model):
    idc_model(torch.cat([LEAKS[:20], FRESH[:25], LEAKS[:5]]))


@pytest.mark.idc_suite("mixed")
def test_only_leaks(idc_model):
    idc_model(LEAKS)


@pytest.mark.idc_suite("fresh")
def test_fresh(idc_model):
    idc_model(FRESH[20:])
"""

CLEAN = """
import pytest
from net import suite_points

FRESH = suite_points()[0]


@pytest.mark.idc_suite("mixed")
def test_mixed(idc_model):
    idc_model(FRESH[:25])


@pytest.mark.idc_suite("fresh")
def test_fresh(idc_model):
    idc_model(FRESH[20:])
"""


def by_name(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {suite["name"]: suite for suite in (*report["suites"], report["total"])}


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["serial", "xdist"])
def test_leaks_are_counted_and_numbers_stand_beside_without_them(
    project: Project, workers: tuple[str, ...]
) -> None:
    project.write("test_net.py", TESTS)
    result = (project.run_apart if workers else project.run)(*workers)
    found = by_name(project.report())
    names: dict[str, Any] = {}
    exec((project.path / "net.py").read_text(), names)
    reference, fresh = names["reference"]()[0], names["suite_points"]()[0]
    expected = len(leaked(torch.cat([reference[:30], fresh]), reference))
    assert expected == 30
    total = found["TOTAL"]["leaks"]
    assert (total["inputs"], total["rows"], total["checked"]) == (30, 55, 600)
    assert found["fresh"]["leaks"] == {"inputs": 0, "rows": 0, "checked": 600, "criteria": {}}
    text = " ".join(result.stdout.str().split())
    assert "30 of 90 inputs (mixed 30) are in the reference too; without them IDC" in text
    project.write("test_net.py", CLEAN)
    quiet = project.run()
    assert "in the reference too" not in quiet.stdout.str()
    clean = by_name(project.report())
    for name in ("mixed", "TOTAL"):
        assert found[name]["leaks"]["criteria"] == clean[name]["criteria"], name
    shown = clean["TOTAL"]["criteria"]["IDC"]
    assert f"without them IDC {100 * shown['covered'] / shown['total']:.1f}%" in text


def test_a_suite_of_training_data_only(project: Project) -> None:
    project.write(
        "test_net.py",
        """
        import pytest
        from net import reference

        @pytest.mark.idc_suite
        def test_a(idc_model):
            idc_model(reference()[0][:40])
        """,
    )
    result = project.run("-q")
    assert "40 of 40 inputs are in the reference too: none is left without" in result.stdout.str()
    leaks = project.report()["total"]["leaks"]
    assert not any(row["judged"] for row in leaks["criteria"].values())


def test_without_samples_there_is_no_check_and_that_is_said(project: Project) -> None:
    project.write("test_net.py", TESTS)
    result = project.run("--idc-no-samples", "-v")
    assert project.report()["total"]["leaks"] is None
    assert "the leak check drops out: idc_no_samples" in result.stdout.str()
    assert "in the reference too" not in result.stdout.str()


def test_measure_says_it() -> None:
    from pytest_deepimportance import measure
    from tests.profile.builders import Mlp

    x = torch.randn(200, Mlp().fc1.in_features, generator=torch.Generator().manual_seed(3))
    inputs = torch.cat([x[:7], x[:3], x[50:60] + 1])
    report = measure(Mlp(), x, inputs, correct="all")
    assert report.total.leaks is not None
    assert (report.total.leaks.inputs, report.total.leaks.rows) == (len(leaked(inputs, x)), 10)
