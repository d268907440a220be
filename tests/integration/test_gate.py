"""The gate as a citizen of pytest: the table of engineering.md row 10, run for real.

{plain, -x, --maxfail=1, -k nothing, --reruns 1} serial and -n 2, --sw, --co; with all tests passing
and with one failing. Counts, last line, JUnit and exit status must agree; lastfailed and stepwise
must hold real tests only.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest

from tests.integration.conftest import Project

SUITE = """
    import pytest
    from net import suite_points

    X, Y = suite_points()

    @pytest.mark.idc_suite
    @pytest.mark.parametrize("part", range(4))
    def test_part(idc, part):
        idc(X[part::4])
        assert not ({fails} and part == 1)
"""

WAYS = {
    "plain": (),
    "exitfirst": ("-x",),
    "maxfail": ("--maxfail=1",),
    "nothing": ("-k", "nothing"),
    "reruns": ("--reruns", "1"),
    "stepwise": ("--sw",),
    "collect": ("--co",),
}


def junit(project: Project) -> ET.Element:
    suite = ET.parse(project.path / "junit.xml").getroot().find("testsuite")
    assert suite is not None
    return suite


def last_failed(project: Project) -> list[str]:
    path = project.path / ".pytest_cache/v/cache/lastfailed"
    return list(json.loads(path.read_text())) if path.exists() else []


def run(project: Project, *arguments: str, fails: bool, workers: bool) -> pytest.RunResult:
    project.write("test_suite.py", SUITE.replace("{fails}", str(fails)))
    extra = ("-n", "2") if workers else ("-p", "no:xdist")
    return project.run("--junitxml=junit.xml", *arguments, *extra)


@pytest.mark.parametrize("workers", [False, True], ids=["serial", "n2"])
@pytest.mark.parametrize("fails", [False, True], ids=["pass", "onefails"])
@pytest.mark.parametrize("way", ["plain", "exitfirst", "maxfail", "nothing", "reruns"])
def test_unmet_threshold(project: Project, way: str, fails: bool, workers: bool) -> None:
    result = run(project, *WAYS[way], "--idc-fail-under=0.999", fails=fails, workers=workers)
    check(project, result, way, fails)


@pytest.mark.parametrize("fails", [False, True], ids=["pass", "onefails"])
@pytest.mark.parametrize("way", ["stepwise", "collect"])
def test_unmet_threshold_serial_only(project: Project, way: str, fails: bool) -> None:
    result = run(project, *WAYS[way], "--idc-fail-under=0.999", fails=fails, workers=False)
    check(project, result, way, fails)


def check(project: Project, result: pytest.RunResult, way: str, fails: bool) -> None:
    outcomes = result.parseoutcomes()
    last = result.outlines[-1]
    if way == "collect":
        assert result.ret == 0
        assert "failed" not in outcomes
        return
    suite = junit(project)
    real = ["test_suite.py::test_part[1]"] if fails else []
    if way == "nothing":
        assert result.ret == 5
        assert "failed" not in outcomes
        assert int(suite.attrib["failures"]) == 0
        return
    stopped = fails and way in ("exitfirst", "maxfail", "stepwise")
    gates = 0 if stopped else 1
    assert outcomes.get("failed", 0) == len(real) + gates
    assert f"{len(real) + gates} failed" in last
    assert int(suite.attrib["failures"]) == len(real) + gates
    assert last_failed(project) == real
    if stopped:
        assert result.ret in (1, 2)
        assert "not judged" in result.stdout.str()
        return
    assert result.ret == 1
    (case,) = [c for c in suite.iter("testcase") if c.attrib["name"].endswith("IDC=0.999")]
    failure = case.find("failure")
    assert failure is not None
    (gate,) = project.report()["gates"]
    assert gate["status"] == "failed"
    assert gate["message"] in (failure.text or "") + failure.attrib["message"]
    assert gate["message"].split(" (")[0] in result.stdout.str()


@pytest.mark.parametrize("workers", [False, True], ids=["serial", "n2"])
def test_met_threshold_keeps_the_run_green(project: Project, workers: bool) -> None:
    result = run(project, "--idc-fail-under=0.0001", fails=False, workers=workers)
    assert result.ret == 0
    assert result.parseoutcomes() == {"passed": 4}
    assert int(junit(project).attrib["failures"]) == 0
    (gate,) = project.report()["gates"]
    assert gate["status"] == "ok"


@pytest.mark.parametrize("workers", ["0", "2"])
def test_the_last_line_is_red_and_progress_ends_at_100(project: Project, workers: str) -> None:
    project.write("test_suite.py", SUITE.replace("{fails}", "False"))
    result = project.run("-n", workers, "--color=yes", "--idc-fail-under=0.999")
    assert "\x1b[31m" in result.outlines[-1]
    assert "1 failed" in result.outlines[-1]
    assert not [
        line for line in result.outlines if "[1" in line and "%]" in line and "[100%]" not in line
    ]


def test_last_failed_runs_all_tests_after_a_gate_failure(project: Project) -> None:
    run(project, "--idc-fail-under=0.999", fails=False, workers=False)
    again = project.run("--lf", "-p", "no:xdist")
    again.assert_outcomes(passed=4)


def test_last_failed_after_a_real_failure_is_a_partial_run(project: Project) -> None:
    run(project, fails=True, workers=False)
    again = project.run("--lf", "-p", "no:xdist", "--idc-fail-under=0.999")
    assert again.parseoutcomes() == {"failed": 2}
    assert "partial: 1 of 4" in again.stdout.str()
    warned = project.run("--lf", "-p", "no:xdist", "--idc-fail-under=0.999", "--idc-partial=warn")
    assert warned.parseoutcomes()["failed"] == 1
    assert project.report()["gates"][0]["status"] == "warned"


def test_stepwise_does_not_stop_at_the_gate(project: Project) -> None:
    for _ in range(2):
        result = run(project, "--sw", "--idc-fail-under=0.999", fails=False, workers=False)
        assert result.parseoutcomes() == {"passed": 4, "failed": 1}


@pytest.mark.parametrize("workers", [False, True], ids=["serial", "n2"])
def test_said_at_the_start_when_above_reach(project: Project, workers: bool) -> None:
    result = run(project, "--idc-fail-under=0.99", fails=False, workers=workers)
    text = " ".join(result.stdout.str().split())
    assert "the whole reference (600 inputs) reaches" in text or "reference itself reaches" in text
    if not workers:
        start = text.index("99 % is asked, but the whole reference (600 inputs) reaches")
        assert start < text.index("test_suite.py")
    assert result.ret == 1


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("1.5", "above 1"),
        ("60", "0.6"),
        ("ICD=0.5", "IDC"),
        ("IDC=", "value"),
        ("abc", "value"),
        ("-0.1", "negative"),
    ],
)
def test_malformed_threshold_is_a_usage_error(project: Project, text: str, hint: str) -> None:
    result = run(project, f"--idc-fail-under={text}", fails=False, workers=False)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert hint in result.stderr.str() + result.stdout.str()


def test_thresholds_by_suite_share_reached_and_marker(project: Project) -> None:
    project.ini(
        "idc_fail_under =", "    a/share=0.1 # agreed in May", "    reached=0.01", "    random"
    )
    project.write(
        "test_suites.py",
        """
        import pytest
        from net import suite_points

        X, Y = suite_points()

        @pytest.mark.idc_suite("a", fail_under="IDC=0.999", reason="strict on purpose")
        def test_a(idc):
            idc(X[:30])

        @pytest.mark.idc_suite("b", gate=False)
        def test_b(idc):
            idc(X[30:])
        """,
    )
    result = project.run()
    gates = {f"{g['suite']}/{g['threshold']}": g for g in project.report()["gates"]}
    assert gates["a/share=0.1"]["status"] == "ok"
    assert gates["a/share=0.1"]["reason"] == "agreed in May"
    assert gates["TOTAL/reached=0.01"]["status"] == "ok"
    assert gates["TOTAL/IDC=random"]["status"] in ("ok", "failed")
    assert gates["a/IDC=0.999"]["status"] == "failed"
    assert gates["a/IDC=0.999"]["reason"] == "strict on purpose"
    assert not [name for name in gates if name.startswith("b/")]
    assert project.report()["total"]["inputs"] == 30
    assert result.ret == 1


def test_unknown_suite_in_a_threshold_fails_and_names_the_nearest(project: Project) -> None:
    result = run(project, "--idc-fail-under=defualt/IDC=0.1", fails=False, workers=False)
    assert result.ret == 1
    assert "default" in project.report()["gates"][0]["message"]


def test_suites_without_a_say_judge_nothing_when_they_run_alone(project: Project) -> None:
    project.write(
        "test_aside.py",
        """
        import pytest
        from net import suite_points

        @pytest.mark.idc_suite("corner", gate=False)
        def test_corner(idc):
            idc(suite_points()[0][:2])
        """,
    )
    project.ini("idc_fail_under = share=0.99")
    result = project.run()
    assert result.ret == 0
    result.stdout.fnmatch_lines(["NOTE share is not judged: only suites with gate=False ran"])
    assert project.report()["gates"][0]["status"] == "not judged"
