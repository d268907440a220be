"""A marked test that recorded nothing is named with its cause, and with a gate it fails."""

from __future__ import annotations

import pytest

from tests.integration.conftest import Project

CASES = {
    "nothing": ("pass", "no forward pass"),
    "other weights": ("Net(0.3)(X[:5])", "other weights"),
    "part of the model": ("idc_model.fc2(idc_model.fc1(X[:5]))", "part of the"),
    "attack steps only": (
        "x = X[:5].clone().requires_grad_()\n            idc_model(x).sum().backward()",
        "attack",
    ),
    "not finite": ("idc_model(X[:5] * float('nan'))", "NaN"),
}


@pytest.mark.parametrize("case", CASES)
def test_cause_is_said_and_the_gate_fails(project: Project, case: str) -> None:
    code, cause = CASES[case]
    project.write(
        "test_it.py",
        f"""
        import pytest
        from net import Net, suite_points

        X, _ = suite_points()

        @pytest.mark.idc_suite
        def test_it(idc_model):
            {code}
        """,
    )
    result = project.run("--idc-fail-under=0.01")
    report = project.report()
    (test,) = report["tests"]
    assert cause in test["cause"]
    assert report["total"]["inputs"] == 0
    assert report["gates"][0]["status"] == "failed"
    assert result.ret == 1
    assert cause in " ".join(result.stdout.str().split())
    plain = project.run()
    assert plain.ret == 0
