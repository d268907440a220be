"""Two models of one class in one session: kept apart, told apart, each judged by its own thresholds."""

from __future__ import annotations

import csv

import pytest

from tests.integration.conftest import NET, Project


@pytest.fixture
def two(project: Project) -> Project:
    """Suites a (10 inputs) and z (20 inputs), each of a model of its own."""
    project.ini(model="", reference="")
    for name, shift, inputs in (("a", 0.0, 10), ("z", 0.1, 20)):
        project.write(
            f"{name}/conftest.py",
            f"""
            import pytest
            from net import Net, reference

            @pytest.fixture(scope="session")
            def idc_model():
                return Net({shift}).eval()

            @pytest.fixture(scope="session")
            def idc_reference():
                return reference()
            """,
        )
        project.write(
            f"{name}/test_{name}.py",
            f"""
            import pytest
            from net import suite_points

            @pytest.mark.idc_suite("{name}")
            def test_it(idc):
                idc(suite_points()[0][:{inputs}])
            """,
        )
    return project


def test_each_has_its_suite_and_a_name_of_its_own(two: Project) -> None:
    result = two.run("-q", "--idc-report=csv:idc.csv")
    result.assert_outcomes(passed=2)
    reports = {report["suites"][0]["name"]: report for report in two.reports()}
    assert {name: report["total"]["inputs"] for name, report in reports.items()} == {
        "a": 10, "z": 20,
    }  # fmt: skip
    names = {f"Net {report['model']['fingerprint'][:8]}" for report in reports.values()}
    assert len(names) == 2
    totals = [line for line in result.outlines if line.startswith("IDC total")]
    assert {line.rpartition("   ")[2] for line in totals} == names
    rows = csv.DictReader((two.path / "idc.csv").read_text().splitlines())
    assert {row["model"] for row in rows} == names


def test_what_the_other_recorder_measures_is_not_listed_as_left_out(two: Project) -> None:
    two.run().assert_outcomes(passed=2)
    left_out = [report["exclusions"]["other_weights_passes"] for report in two.reports()]
    assert left_out == [0, 0]


def test_a_threshold_is_judged_where_its_suite_ran_and_names_the_model(two: Project) -> None:
    result = two.run("--idc-fail-under=a/reached=0.001", "--idc-fail-under=z/reached=0.999")
    assert result.ret == 1
    by_suite = {report["suites"][0]["name"]: report for report in two.reports()}
    (met,), (unmet,) = by_suite["a"]["gates"], by_suite["z"]["gates"]
    assert (met["status"], unmet["status"]) == ("ok", "failed")
    name = f"Net {by_suite['z']['model']['fingerprint'][:8]}"
    assert unmet["message"].startswith(f"{name}: z/reached ")
    unknown = two.run("--idc-fail-under=y/reached=0.001")
    assert unknown.ret == 1
    unknown.stdout.fnmatch_lines(["FAIL Net *: y/reached: there is no such suite; suites: *"])


def test_a_comparison_is_judged_where_its_suite_ran(two: Project) -> None:
    two.run("--idc-data-file=old.data")
    result = two.run(
        "--idc-compare=old.data", "--idc-compare-fail=a/IDC=0", "--idc-compare-fail=z/IDC=0"
    )
    assert result.ret == 0
    gates = [[gate["threshold"] for gate in report["gates"]] for report in two.reports()]
    assert sorted(gates) == [["compare a/IDC=0"], ["compare z/IDC=0"]]


def test_models_of_one_name_are_compared_only_where_they_are_the_same(two: Project) -> None:
    two.run("--idc-data-file=old.data")
    two.write("net.py", NET.replace("* 0.7", "* 0.6"))
    result = two.run("--idc-compare=old.data", "--idc-compare-fail=IDC=0", "-p", "no:cacheprovider")
    assert "no model of old.data" in result.stdout.str()
