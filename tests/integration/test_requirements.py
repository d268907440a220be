"""Markers name requirements; the report says which tests and suites each of them rests on."""

from __future__ import annotations

import hashlib

import pytest

from tests.integration.conftest import Project

TESTS = """
    import pytest
    from net import points

    @pytest.mark.idc_suite("fog", requirement="ML-REQ-12", fail_under="IDC=0.01")
    def test_fog(idc):
        idc(points(30, seed=3)[0])

    @pytest.mark.idc_suite("fog", requirement=["ML-REQ-12", "ML-REQ-7"], fail_under="IDC=0.01")
    def test_thick_fog(idc):
        idc(points(30, seed=4)[0])

    @pytest.mark.idc_suite("fog", fail_under="IDC=0.01")
    def test_haze(idc):
        idc(points(30, seed=4)[0])

    @pytest.mark.idc_suite("rain", requirement="ML-REQ-12")
    def test_rain(idc):
        idc(points(30, seed=5)[0])
        assert False

    @pytest.mark.idc_suite("orphan", fail_under="IDC=0.99")
    def test_nobody_asked_for(idc):
        idc(points(30, seed=6)[0])
"""


@pytest.mark.parametrize("workers", [(), ("-n", "1")])
def test_each_requirement_with_its_suites_tests_and_verdict(
    project: Project, workers: tuple[str, ...]
) -> None:
    project.write("test_it.py", TESTS)
    project.run(*workers)
    report = project.report()
    rows = {
        (row["requirement"], row["suite"]): (
            [name.removeprefix("test_it.py::") for name in row["tests"]],
            row["outcomes"],
            row["verdict"],
        )
        for row in report["requirements"]
    }
    assert rows == {
        ("ML-REQ-12", "fog"): (["test_fog", "test_thick_fog"], {"passed": 2}, "ok"),
        ("ML-REQ-12", "rain"): (["test_rain"], {"failed": 1}, "tests failed"),
        ("ML-REQ-7", "fog"): (["test_thick_fog"], {"passed": 1}, "ok"),
        (None, "fog"): (["test_haze"], {"passed": 1}, "ok"),
        (None, "orphan"): (["test_nobody_asked_for"], {"passed": 1}, "failed"),
    }
    assert [row["requirement"] for row in report["requirements"]] == [
        "ML-REQ-7", "ML-REQ-12", "ML-REQ-12", None, None,
    ]  # fmt: skip
    fog = next(suite for suite in report["suites"] if suite["name"] == "fog")
    of_fog = report["requirements"][0]
    assert (of_fog["criterion"], of_fog["covered"]) == ("IDC", fog["criteria"]["IDC"]["covered"])
    tests = {test["nodeid"]: test["requirements"] for test in report["tests"]}
    assert tests["test_it.py::test_thick_fog"] == ["ML-REQ-12", "ML-REQ-7"]


def test_without_requirements_there_is_no_matrix(project: Project) -> None:
    project.write(
        "test_it.py", "def test_a(idc):\n    from net import points\n    idc(points(9, 3)[0])\n"
    )
    project.run()
    assert project.report()["requirements"] == []


@pytest.mark.parametrize("requirement", ["[]", "12", '"  "', '["A", None]'])
def test_what_names_no_requirement_is_refused(project: Project, requirement: str) -> None:
    project.write(
        "test_it.py",
        f"""
        import pytest

        @pytest.mark.idc_suite("a", requirement={requirement})
        def test_a(idc):
            pass
        """,
    )
    text = project.run().stderr.str()
    assert "test_it.py:4: idc_suite: requirement=" in text
    assert 'requirement="ML-REQ-12"' in text


def test_the_digest_identifies_the_set_of_inputs(project: Project) -> None:
    """The same inputs in another order, batch and number of repeats: the same digest."""
    project.write(
        "test_it.py",
        """
        import pytest
        from net import points
        X = points(40, seed=3)[0]

        @pytest.mark.idc_suite("one")
        def test_one(idc):
            idc(X)

        @pytest.mark.idc_suite("two")
        def test_two(idc):
            idc(X.flip(0)[:25]), idc(X[:30])

        @pytest.mark.idc_suite("three")
        def test_three(idc):
            idc(X[1:])

        @pytest.mark.idc_suite("none")
        def test_none(idc):
            pass
        """,
    )
    project.run()
    digests = {suite["name"]: suite["inputs_digest"] for suite in project.report()["suites"]}
    assert digests["one"] == digests["two"] != digests["three"]
    assert len(digests["one"]) == len(hashlib.sha256().hexdigest())
    assert digests["none"] == ""


def test_the_environment_names_device_and_switches(project: Project) -> None:
    project.write(
        "test_it.py", "def test_a(idc):\n    from net import points\n    idc(points(9, 3)[0])\n"
    )
    project.run()
    found = project.report()["environment"]
    assert found["device"] == "cpu"
    assert found["deterministic algorithms"] == "False"
    assert {"python", "platform", "pytest", "torch", "numpy", "TF32 in convolutions"} <= set(found)
