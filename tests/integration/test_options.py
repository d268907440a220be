"""Settings as users give them: options, ini keys, presets, --idc-settings, and mistakes in them."""

from __future__ import annotations

import pytest

from tests.integration.conftest import Project

TEST = """
    import pytest
    from net import suite_points

    X, Y = suite_points()

    @pytest.mark.idc_suite
    def test_it(idc):
        idc(X, labels=Y)
"""


@pytest.fixture
def suite(project: Project) -> Project:
    project.write("test_it.py", TEST)
    return project


def setting(report: dict, name: str) -> tuple[str, str]:
    row = next(row for row in report["settings"] if row["name"] == name)
    return row["value"], row["origin"]


def test_precedence_default_preset_ini_option(suite: Project) -> None:
    suite.ini("idc_preset = paper", "idc_m = 3", "idc_k = 2")
    suite.run("--idc-k", "3").assert_outcomes(passed=1)
    report = suite.report()
    assert setting(report, "lrp_rule") == ("z", "preset paper")
    assert setting(report, "m") == ("3", "ini pytest.ini")
    assert setting(report, "k") == ("3", "command line")
    assert setting(report, "zeros") == ("keep", "default")
    assert report["profile"]["spaces"][0]["total"] == 27


def test_native_toml(suite: Project) -> None:
    (suite.path / "pytest.ini").unlink()
    suite.write(
        "pyproject.toml",
        """
        [tool.pytest]
        pythonpath = ["."]
        idc_model = "net:Net"
        idc_reference = "net:reference"
        idc_m = 4
        idc_lrp_epsilon = 1e-4
        idc_no_samples = true
        idc_fail_under = ["IDC=0.01 # low on purpose"]
        """,
    )
    suite.run().assert_outcomes(passed=1)
    report = suite.report()
    assert report["profile"]["spaces"][0]["m"] == 4
    assert report["gates"][0]["reason"] == "low on purpose"
    assert all(gap["nearest_reference_index"] is None for gap in report["total"]["gaps"])


def test_settings_are_listed_with_origin(suite: Project) -> None:
    suite.ini("idc_m = 3")
    result = suite.pytester.runpytest_inprocess("--idc-settings", "--idc-zeros=drop")
    assert result.ret == 0
    text = result.stdout.str()
    for name, value, origin in [
        ("m", "3", "ini pytest.ini"),
        ("zeros", "drop", "command line"),
        ("k", "auto", "default"),
    ]:
        line = next(
            line for line in result.outlines if line.split()[:1] in ([name], [f"idc_{name}"])
        )
        assert value in line
        assert origin in line
    assert "wisdom" in text


@pytest.mark.parametrize(
    ("argument", "hint"),
    [
        ("--idc-layr=fc1", "--idc-layer"),
        ("--idc-scope=everything", "global"),
        ("--idc-m=0", "auto"),
        ("--idc-preset=papr", "paper"),
        ("--idc-layer=fc22", "fc2"),
        ("--idc-classes=cat", "class"),
        ("--idc-report=pdf:x", "json:"),
        ("--idc-criteria=IDCC", "IDC"),
        ("--idc-memory=lots", "512MB"),
        ("--idc-fail-under=", "empty value"),
        ("--idc-report=", "empty value"),
        ("--override-ini=idc_fail_under=", "empty value"),
    ],
)
def test_mistakes_are_usage_errors_with_a_hint(suite: Project, argument: str, hint: str) -> None:
    result = suite.run(argument)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert hint in result.stderr.str() + result.stdout.str()


def test_a_key_typed_with_o_is_named_as_such(suite: Project) -> None:
    result = suite.run("-o", "idc_m=many")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "idc_m (command line -o): " in result.stderr.str()
    listed = suite.run("-o", "idc_m=2", "--idc-settings").stdout.str()
    rows = [" ".join(line.split()) for line in listed.splitlines()]
    assert any(row.endswith("2 command line -o") for row in rows)


def test_none_takes_the_thresholds_of_the_ini_file_away(suite: Project) -> None:
    suite.ini("idc_fail_under = 0.999")
    assert suite.run().ret == pytest.ExitCode.TESTS_FAILED
    assert suite.run("--idc-fail-under=none").ret == 0
    assert suite.report()["gates"] == []


def test_an_empty_list_of_toml_is_no_mistake(suite: Project) -> None:
    (suite.path / "pytest.ini").unlink()
    keys = 'idc_model = "net:Net"\nidc_reference = "net:reference"\nidc_fail_under = []\n'
    text = f'[tool.pytest.ini_options]\npythonpath = ["."]\n{keys}'
    (suite.path / "pyproject.toml").write_text(text)
    assert suite.run().ret == 0


def test_a_comment_behind_a_report_is_no_part_of_its_place(suite: Project) -> None:
    suite.ini("idc_report = json:out.json  # for the page")
    assert suite.pytester.runpytest_inprocess().ret == 0
    assert (suite.path / "out.json").exists()


def test_unknown_ini_key(suite: Project) -> None:
    suite.ini("idc_layr = fc1")
    result = suite.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "idc_layer" in result.stderr.str() + result.stdout.str()


@pytest.mark.parametrize("scope", ["layer", "all", "global"])
@pytest.mark.parametrize("classes", ["all", "each", "1"])
def test_scopes_and_classes(suite: Project, scope: str, classes: str) -> None:
    suite.run(f"--idc-scope={scope}", f"--idc-classes={classes}", "--idc-m=3").assert_outcomes(
        passed=1
    )
    report = suite.report()
    rows = report["total"]["criteria"]
    assert "IDC" in rows
    if scope == "all" and classes == "all":
        assert {"IDC@fc1", "IDC@fc2"} <= set(rows)
    if classes == "each":
        assert {"IDC:0", "IDC:1", "IDC:2"} <= set(rows)
    pooled = rows["IDC"]
    assert 0 < pooled["covered"] <= pooled["total"]


def test_wisdom_preset(suite: Project) -> None:
    suite.run("--idc-preset=wisdom").assert_outcomes(passed=1)
    report = suite.report()
    (space,) = report["profile"]["spaces"]
    assert space["layer"] is None
    assert space["m"] == 10
    assert space["total"] == 2**10


def test_m_larger_than_the_layer_is_said(suite: Project) -> None:
    suite.run("--idc-m=50").assert_outcomes(passed=1)
    (space,) = suite.report()["profile"]["spaces"]
    assert space["m"] == 8
    assert "lowered from 50" in space["m_from"]


def test_suites_by_path(suite: Project) -> None:
    plain = TEST.replace("    @pytest.mark.idc_suite\n", "").replace(
        "idc(X, labels=Y)", "idc_model(X)"
    )
    plain = plain.replace("test_it(idc)", "test_it(idc_model)")
    suite.write("tests/clean/test_a.py", plain)
    suite.write("tests/dark/test_b.py", plain)
    suite.ini("idc_suites =", "    tests/clean = clean", "    tests/dark = dark")
    suite.run("tests").assert_outcomes(passed=2)
    assert [s["name"] for s in suite.report()["suites"]] == ["clean", "dark"]


def test_bad_marker_arguments_name_file_and_line(suite: Project) -> None:
    suite.write("test_bad.py", TEST.replace("idc_suite", "idc_suite(nam='x')"))
    result = suite.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stderr.str() + result.stdout.str()
    assert "test_bad.py:7" in text
    assert "name" in text


def test_one_suite_with_two_settings_is_refused(suite: Project) -> None:
    for number, threshold in enumerate(("0.1", "0.2")):
        suite.write(
            f"test_twice{number}.py",
            TEST.replace("idc_suite", f"idc_suite('a', fail_under='{threshold}')"),
        )
    result = suite.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stderr.str() + result.stdout.str()
    assert "two different settings" in text
    assert "test_twice1.py:7" in text


def test_count_passed_leaves_failing_tests_out(suite: Project) -> None:
    suite.write(
        "test_it.py",
        """
        import pytest
        from net import suite_points

        X, Y = suite_points()

        @pytest.mark.idc_suite
        def test_good(idc):
            idc(X[:2])

        @pytest.mark.idc_suite
        def test_bad(idc):
            idc(X[2:])
            assert False
        """,
    )
    suite.run()
    everything = suite.report()["total"]["criteria"]["IDC"]
    suite.run("--idc-count=passed")
    passed = suite.report()["total"]["criteria"]["IDC"]
    assert everything["covered"] - everything["only_failing"] == passed["covered"]
    assert everything["only_failing"] > 0


def test_missing_model_is_skipped_only_when_asked(suite: Project) -> None:
    suite.ini("idc_factory = net:Net", model="weights/net.pth")
    result = suite.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "net.pth" in result.stderr.str() + result.stdout.str()
    plain = TEST.replace("(idc)", "()").replace("idc(X, labels=Y)", "assert len(X)")
    suite.write("test_it.py", plain)
    result = suite.run("--idc-missing=skip", "--idc-fail-under=0.5")
    assert result.ret == 0
    assert "not measured" in result.stdout.str()
    assert "(idc_missing = skip); the gate is not judged; no report was written" in " ".join(
        result.stdout.str().split()
    )


def test_tests_that_need_what_is_absent_are_skipped_with_it(suite: Project) -> None:
    suite.ini("idc_factory = net:Net", model="weights/net.pth")
    result = suite.run("--idc-missing=skip", "-rs")
    assert result.ret == 0
    result.assert_outcomes(skipped=1)
    assert "net.pth is absent (idc_missing = skip)" in result.stdout.str()
    suite.ini("idc_factory = net:Net", model="net.pth", reference="gone/reference.npz")
    (suite.path / "net.pth").write_bytes(b"damaged")
    result = suite.run("--idc-missing=skip")
    assert result.parseoutcomes() == {"failed": 1}
    result.stdout.fnmatch_lines_random("*/net.pth is a text file, not a model; it begins with 'damaged'")
