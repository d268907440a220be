"""All twelve criteria inside pytest: what a default run measures, choosing, gating, many workers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_deepimportance.cli.main import main
from pytest_deepimportance.thresholds import MEASURED
from tests.integration.conftest import Project

TEST = """
    import pytest
    from net import suite_points

    X, Y = suite_points()

    @pytest.mark.idc_suite
    @pytest.mark.parametrize("part", range(4))
    def test_part(idc, part):
        idc(X[part::4] * 1.5)
"""
SUITES = """
    import pytest
    from net import suite_points

    X, Y = suite_points()

    @pytest.mark.idc_suite("one", criteria=["NC"])
    def test_one(idc):
        idc(X[:20])

    @pytest.mark.idc_suite("two")
    def test_two(idc):
        idc(X[20:])
"""
Rows = Mapping[str, Mapping[str, Any]]


@pytest.fixture
def suite(project: Project) -> Project:
    project.write("test_it.py", TEST)
    return project


def text_of(result: pytest.RunResult) -> str:
    return " ".join((result.stdout.str() + result.stderr.str()).split())


def rows_of(report: Mapping[str, Any]) -> Rows:
    rows: Rows = report["total"]["criteria"]
    return rows


def heads(rows: Rows) -> list[str]:
    return [name for name in MEASURED if name in rows]


def numbers(rows: Rows) -> dict[str, Any]:
    """Counted numbers exactly, others to ten digits."""
    return {
        key: (row["covered"], row["total"], row["reach"])
        if isinstance(row["covered"], int)
        else float(f"{row['covered']:.10g}")
        for key, row in rows.items()
    }


def said(report: Mapping[str, Any]) -> str:
    return " ".join([*report["notes"], *report["profile"]["notes"]])


# --- measuring -----------------------------------------------------------------------------------


def test_a_default_run_measures_all_twelve_criteria(suite: Project) -> None:
    result = suite.run()
    assert result.ret == 0
    report = suite.report()
    for part in (report["total"], *report["suites"]):
        rows = part["criteria"]
        assert heads(rows) == list(MEASURED)
        assert {key: rows[key]["unit"] for key in MEASURED} == MEASURED
        per_layer = ("NC", "KMNC", "NBC", "SNAC", "TKNC", "CC", "NLC")
        assert {f"{c}@{layer}" for c in per_layer for layer in ("fc1", "fc2")} <= set(rows)
        assert all(rows[key]["inputs"] == 60 for key in MEASURED)
        for key, row in rows.items():
            kind = float if key.startswith("NLC") else int
            assert isinstance(row["covered"], kind), key
            assert row["total"] > 0 if row["unit"] == "ratio" else row["total"] == 0
    rows = rows_of(report)
    assert [n for n in MEASURED if not rows[n]["covered"]] == []
    assert rows["KMNC"]["total"] == 1000 * (12 + 8 + 3)
    assert rows["KMNC@fc2"]["total"] == 8000
    for name in MEASURED:
        assert re.search(rf"\b{name}\b", result.stdout.str()), name
    assert "left out" not in said(report)


def test_criteria_are_chosen_by_option(suite: Project) -> None:
    suite.run("--idc-criteria", "NC,KMNC").assert_outcomes(passed=4)
    assert heads(rows_of(suite.report())) == ["NC", "KMNC"]


@pytest.mark.parametrize(
    "lines", [["idc_criteria = NC, KMNC"], ["idc_criteria =", "    NC", "    KMNC"]], ids=str
)
def test_criteria_are_chosen_by_ini_key(suite: Project, lines: list[str]) -> None:
    suite.ini(*lines)
    suite.run().assert_outcomes(passed=4)
    assert heads(rows_of(suite.report())) == ["NC", "KMNC"]


def test_without_idc_no_importance_is_computed(suite: Project) -> None:
    suite.run("--idc-criteria=TKNC,LSC").assert_outcomes(passed=4)
    report = suite.report()
    assert heads(rows_of(report)) == ["TKNC", "LSC"]
    assert report["profile"]["spaces"] == []
    assert report["total"]["gaps"] == report["total"]["ladder"] == []


@pytest.mark.parametrize(("given", "hint"), [("KMC", "KMNC"), ("NC,TKNB", "TKN")])
def test_an_unknown_criterion_is_a_usage_error_before_any_test(
    suite: Project, given: str, hint: str
) -> None:
    result = suite.run(f"--idc-criteria={given}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert hint in text_of(result).replace(given, "")
    assert not result.parseoutcomes().get("passed")


def test_the_marker_restricts_the_rows_of_its_suite(project: Project) -> None:
    project.write("test_it.py", SUITES)
    project.run().assert_outcomes(passed=2)
    report = project.report()
    one, two = (part["criteria"] for part in report["suites"])
    assert heads(one) == ["NC"]
    assert {row["criterion"] for row in one.values()} == {"NC"}
    assert heads(two) == heads(rows_of(report)) == list(MEASURED)


def test_criteria_that_only_a_marker_names_are_measured_too(project: Project) -> None:
    project.write("test_it.py", SUITES)
    project.run("--idc-criteria=KMNC").assert_outcomes(passed=2)
    report = project.report()
    one, _ = (part["criteria"] for part in report["suites"])
    assert heads(one) == ["NC"]
    assert one["NC"]["covered"] > 0
    assert "KMNC" in rows_of(report)


def test_a_marker_naming_an_unknown_criterion_is_a_usage_error(project: Project) -> None:
    project.write("test_it.py", SUITES.replace("NC", "KMC"))
    result = project.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "KMNC" in text_of(result)


def test_workers_and_a_serial_run_give_the_same_rows(
    suite: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    suite.run("-p", "no:xdist", "--cache-clear").assert_outcomes(passed=4)
    serial = suite.report()
    suite.run("-n", "2", "--cache-clear").assert_outcomes(passed=4)
    assert heads(rows_of(serial)) == list(MEASURED)
    assert numbers(rows_of(suite.report())) == numbers(rows_of(serial))


def test_a_profile_file_gives_the_same_rows_as_building_in_the_session(suite: Project) -> None:
    suite.run("--cache-clear").assert_outcomes(passed=4)
    wanted = suite.report()
    path = suite.path / "model.idc"
    built = ["profile", "build", f"{suite.path}/net.py:Net", "--reference",
             f"{suite.path}/net.py:reference", "-o", str(path)]  # fmt: skip
    assert main(built) == 0
    suite.ini(reference="")
    suite.run(f"--idc-profile={path}").assert_outcomes(passed=4)
    assert numbers(rows_of(suite.report())) == numbers(rows_of(wanted))
    assert heads(rows_of(wanted)) == list(MEASURED)


def test_without_samples_lsc_and_dsc_are_left_out_and_mdsc_stays(
    suite: Project, tmp_path: Path
) -> None:
    suite.run("--idc-no-samples").assert_outcomes(passed=4)
    in_session = suite.report()
    path = tmp_path / "model.idc"
    built = ["profile", "build", f"{suite.path}/net.py:Net", "--no-samples", "--reference",
             f"{suite.path}/net.py:reference", "-o", str(path)]  # fmt: skip
    assert main(built) == 0
    suite.ini(reference="")
    result = suite.run(f"--idc-profile={path}")
    assert result.ret == 0
    for report in (in_session, suite.report()):
        assert heads(rows_of(report)) == [n for n in MEASURED if n not in ("LSC", "DSC")]
        assert "LSC, DSC left out" in said(report)
    assert "LSC, DSC left out" in text_of(result)
    refused = suite.run(f"--idc-profile={path}", "--idc-criteria=LSC")
    assert refused.ret != 0
    assert "idc_no_samples" in text_of(refused)


@pytest.mark.parametrize(
    ("argument", "hint"),
    [
        ("--idc-cc-layers=fc9", "did you mean"),
        ("--idc-neuron-layers=fc9", "did you mean"),
        ("--idc-surprise-layer=fc9", "did you mean"),
        ("--idc-kmnc-sections=0", "kmnc"),
        ("--idc-mdsc-upper=0", "mdsc"),
    ],
)
def test_settings_that_cannot_be_are_usage_errors_before_any_test(
    suite: Project, argument: str, hint: str
) -> None:
    result = suite.run(argument)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert hint in text_of(result)
    assert "INTERNALERROR" not in text_of(result)


def test_dsc_is_left_out_where_all_of_the_reference_is_one_class(suite: Project) -> None:
    result = suite.run("--idc-surprise-labels=none")
    assert "INTERNALERROR" not in text_of(result)
    assert result.ret == 0
    assert heads(rows_of(suite.report())) == [name for name in MEASURED if name != "DSC"]
    assert "DSC left out" in said(suite.report())
    refused = suite.run("--idc-surprise-labels=none", "--idc-criteria=DSC")
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    assert "surprise_labels" in text_of(refused)


# --- gating --------------------------------------------------------------------------------------

MET = {name: "1" if unit != "ratio" else "0.0001" for name, unit in MEASURED.items()}
MET |= {"NLC": "0.01", "TKNP": "5"}
UNMET = {name: "99999" if unit != "ratio" else "1" for name, unit in MEASURED.items()}


def test_met_thresholds_of_every_criterion_keep_the_run_green(suite: Project) -> None:
    given = [f"--idc-fail-under={name}={value}" for name, value in MET.items()]
    result = suite.run(*given, "--idc-fail-under=KMNC@fc2=0.001")
    assert result.ret == 0
    gates = {gate["threshold"]: gate["status"] for gate in suite.report()["gates"]}
    assert set(gates.values()) == {"ok"}
    assert len(gates) == 13
    assert {"TKNP=5", "KMNC@fc2=0.001", "NLC=0.01"} <= set(gates)


def test_unmet_thresholds_of_every_criterion_fail_and_name_it(suite: Project) -> None:
    given = [f"--idc-fail-under={name}={value}" for name, value in UNMET.items()]
    result = suite.run(*given, "--idc-fail-under=KMNC@fc2=0.99")
    assert result.ret == 1
    failed = {g["threshold"]: g for g in suite.report()["gates"] if g["status"] == "failed"}
    assert len(failed) == 13
    assert result.parseoutcomes() == {"passed": 4, "failed": 13}
    for threshold, gate in failed.items():
        name = threshold.partition("=")[0]
        assert gate["message"].startswith(name)
        line = next(line for line in result.outlines if f"idc::TOTAL::{name}=" in line)
        assert line.startswith(("FAILED", "_")) or gate["message"].split(" (")[0] in line
    assert failed["TKNP=99999"]["needed"] == 99999
    assert "more needed" in failed["TKNP=99999"]["message"]


@pytest.mark.parametrize("name", list(MEASURED))
def test_each_criterion_alone_is_judged(suite: Project, name: str) -> None:
    given = (f"--idc-fail-under={name}={MET[name]}", f"--idc-fail-under={name}={UNMET[name]}")
    result = suite.run(f"--idc-criteria={name}", *given)
    assert result.ret == 1
    assert [gate["status"] for gate in suite.report()["gates"]] == ["ok", "failed"]
    assert result.parseoutcomes() == {"passed": 4, "failed": 1}


@pytest.mark.parametrize("name", [name for name, unit in MEASURED.items() if unit == "ratio"])
def test_a_ratio_above_1_is_refused(suite: Project, name: str) -> None:
    result = suite.run(f"--idc-fail-under={name}=5")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "above 1" in text_of(result)


def test_a_threshold_on_a_criterion_that_is_not_measured_fails_and_says_so(suite: Project) -> None:
    result = suite.run("--idc-criteria=NC", "--idc-fail-under=KMNC=0.1")
    assert result.ret == 1
    (gate,) = suite.report()["gates"]
    assert gate["status"] == "failed"
    assert "KMNC" in gate["message"]
