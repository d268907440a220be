"""A marked test that recorded nothing is named with its cause, and with a gate it fails."""

from __future__ import annotations

import pytest

from tests.integration.conftest import Project

CASES = {
    "nothing": ("pass", "no forward pass"),
    "other weights": ("Net(0.3)(X[:5])", "other weights"),
    "part of the model": ("idc_model.fc2(idc_model.fc1(X[:5]))", "layers were called"),
    "its forward": ("idc_model.forward(X[:5])", "model.forward(x)"),
    "forward of another": ("Net().forward(X[:5])", "not seen are model.forward(x)"),
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


@pytest.mark.parametrize("code", ["X * float('nan')", "X[:0]", "None"])
def test_a_suite_without_inputs_is_shown_as_not_measured(project: Project, code: str) -> None:
    project.write(
        "test_it.py",
        f"""
        import pytest
        from net import suite_points

        X, _ = suite_points()

        @pytest.mark.idc_suite("good")
        def test_good(idc):
            idc(X)

        @pytest.mark.idc_suite("bad")
        def test_bad(idc):
            batch = {code}
            if batch is not None:
                idc(batch)
        """,
    )
    result = project.run("--idc-fail-under=bad/NC=0.01", "--idc-fail-under=good/NC=0.01")
    report = project.report()
    bad, good = report["suites"]
    assert not any(row["judged"] for row in bad["criteria"].values())
    assert all(good["criteria"][name]["judged"] for name in ("IDC", "NC", "TKNP", "NLC"))
    line = next(line for line in result.outlines if line.startswith("bad "))
    assert line.split() == ["bad", "0", "-", "-", "-", "-", "-", "FAILED"]
    assert [gate["status"] for gate in report["gates"]] == ["failed", "ok"]
    assert "nothing was recorded. 1 test: " in report["gates"][0]["message"]


def test_without_any_input_the_total_is_no_number(project: Project) -> None:
    project.write(
        "test_it.py",
        """
        import pytest

        @pytest.mark.idc_suite
        def test_it(idc):
            pass
        """,
    )
    for criteria, name in (("all", "IDC"), ("TKNP", "TKNP")):
        result = project.run(f"--idc-criteria={criteria}")
        assert f"{name} total: not measured (nothing was recorded)" in result.outlines


def test_a_test_that_was_skipped_or_not_set_up_says_so(project: Project) -> None:
    project.write(
        "test_it.py",
        """
        import pytest
        from net import suite_points

        X, _ = suite_points()
        pytestmark = pytest.mark.idc_suite

        @pytest.fixture
        def broken(idc_model):
            idc_model(X[:3])
            raise RuntimeError("broken")

        def test_broken(broken):
            pass

        def test_late(idc_model):
            idc_model(X[:2])
            pytest.skip("late")

        @pytest.mark.skip
        def test_early():
            pass
        """,
    )
    project.run()
    causes = {
        test["nodeid"].partition("::")[2]: test["cause"] for test in project.report()["tests"]
    }
    assert causes == {
        "test_broken": "its set-up failed, so nothing that it or its fixtures did counts",
        "test_early": "it was skipped",
        "test_late": "it was skipped after 1 pass, and what a skipped test did does not count",
    }
