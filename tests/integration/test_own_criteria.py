"""Criteria of a user's conftest, presets, and models whose output is no class score."""

from __future__ import annotations

import json
import subprocess
import textwrap

import pytest

from pytest_deepimportance.presets import PRESETS
from pytest_deepimportance.thresholds import MEASURED
from tests.integration.conftest import Project
from tests.integration.test_criteria import TEST, heads, numbers, rows_of, said, text_of

TOY = """
    import torch
    from pytest_deepimportance import Criterion, CriterionRow

    class PositiveSum(Criterion):
        name, unit, needs = "POS", "ratio", ("layers",)

        def __init__(self, layers):
            super().__init__()
            self.register_buffer("seen", torch.zeros(len(layers), dtype=torch.bool))

        def update(self, batch):
            self.seen |= torch.stack([(v.values.sum(1) > 0).any() for v in batch.layers.values()])
        def merge(self, other):
            self.seen |= other.seen
        def reset(self):
            self.seen.zero_()
        def compute(self):
            return (CriterionRow(self.name, self.unit, int(self.seen.sum()), len(self.seen)),)
    def pytest_idc_criteria(): return PositiveSum
"""


@pytest.fixture(autouse=True)
def _forget_own_criteria(monkeypatch: pytest.MonkeyPatch) -> None:
    """Criteria of these projects are no criteria of the next test in this process."""
    from pytest_deepimportance.criteria import base

    base.names()
    monkeypatch.setattr(base, "_REGISTRY", dict(base._REGISTRY))


@pytest.fixture
def suite(project: Project) -> Project:
    project.write("test_it.py", TEST)
    return project


@pytest.fixture
def own(suite: Project) -> Project:
    suite.write("conftest.py", TOY)
    return suite


def test_a_criterion_of_ones_own_takes_at_most_20_lines() -> None:
    code = textwrap.dedent(TOY).strip().splitlines()
    assert len([line for line in code if line.strip()]) <= 20


def test_a_criterion_of_ones_own_is_measured_and_shown(own: Project) -> None:
    result = own.run()
    assert result.ret == 0
    rows = rows_of(own.report())
    assert heads(rows) == list(MEASURED)
    assert (rows["POS"]["covered"], rows["POS"]["total"]) == (3, 3)
    assert "POS" in result.stdout.str()


def test_a_criterion_of_ones_own_is_chosen_by_option(own: Project) -> None:
    own.run("--idc-criteria=POS,NC").assert_outcomes(passed=4)
    rows = rows_of(own.report())
    assert {row["criterion"] for row in rows.values()} == {"POS", "NC"}
    own.run("--idc-criteria=POS").assert_outcomes(passed=4)
    assert list(rows_of(own.report())) == ["POS"]


@pytest.mark.parametrize("workers", [False, True], ids=["serial", "n2"])
def test_a_criterion_of_ones_own_is_gated(
    own: Project, workers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    own.write("conftest.py", TOY.replace("len(self.seen)),)", "1 + len(self.seen)),)"))
    extra = ("-n", "2") if workers else ("-p", "no:xdist")
    result = own.run(*extra, "--idc-fail-under=POS=0.75", "--idc-fail-under=POS=0.76")
    assert result.ret == 1
    assert (rows_of(own.report())["POS"]["covered"], rows_of(own.report())["POS"]["total"]) == (
        3,
        4,
    )
    gates = own.report()["gates"]
    assert [(gate["threshold"], gate["status"]) for gate in gates] == [
        ("POS=0.75", "ok"), ("POS=0.76", "failed"),
    ]  # fmt: skip
    assert gates[1]["message"].startswith("POS 75.00 % < 76 %")
    assert "idc::TOTAL::POS=0.76" in result.stdout.str()


def test_the_data_file_shows_it_when_the_conftest_is_named(
    own: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(own.path)
    own.run("-p", "no:xdist", "--idc-criteria=POS,NC")
    wanted = rows_of(own.report())
    report = [
        own.python,
        "-m",
        "pytest_deepimportance.cli.main",
        "report",
        "--report",
        "json:a.json",
    ]
    for extra, heads_wanted in ((["--conftest", "conftest.py"], ["POS", "NC"]), ([], ["NC"])):
        subprocess.run([*report, *extra], check=True, capture_output=True)
        found = json.loads((own.path / "a.json").read_text())["reports"][0]
        rows = rows_of(found)
        assert {row["criterion"] for row in rows.values()} == set(heads_wanted)
        assert rows["NC"]["covered"] == wanted["NC"]["covered"]
        assert any("POS left out" in note for note in found["notes"]) == (not extra)


def test_a_misspelled_threshold_is_refused_with_own_criteria_too(own: Project) -> None:
    result = own.run("--idc-fail-under=PSO=0.9")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "POS" in text_of(result)


@pytest.mark.parametrize("offered", ["[PositiveSum]", "(PositiveSum,)"])
def test_several_criteria_come_as_a_list(own: Project, offered: str) -> None:
    own.write("conftest.py", TOY.replace("return PositiveSum", f"return {offered}"))
    own.run().assert_outcomes(passed=4)
    assert "POS" in rows_of(own.report())


@pytest.mark.parametrize("offered", ["'POS'", "PositiveSum(['a'])", "int", "[PositiveSum, 3]"])
def test_what_is_no_criterion_is_a_usage_error(own: Project, offered: str) -> None:
    own.write("conftest.py", TOY.replace("return PositiveSum", f"return {offered}"))
    result = own.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "pytest_idc_criteria" in text_of(result)
    assert "Criterion" in text_of(result)


def test_the_name_of_a_built_in_criterion_is_taken(own: Project) -> None:
    own.write("conftest.py", TOY.replace('"POS"', '"KMNC"'))
    result = own.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "two criteria are called 'KMNC'" in text_of(result)


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("self.seen |=", "raise ZeroDivisionError('at fault'); self.seen |="),
        ("super().__init__()", "raise ZeroDivisionError('at fault')"),
    ],
    ids=["update", "made"],
)
def test_a_criterion_of_ones_own_that_raises_is_named(own: Project, code: str, fault: str) -> None:
    own.write("conftest.py", TOY.replace(code, fault, 1))
    result = own.run()
    assert result.ret != 0
    assert "at fault" in text_of(result)
    assert "INTERNALERROR" not in text_of(result)
    assert "POS" in text_of(result)
    line = next(at for at, text in enumerate(TOY.splitlines(), 1) if code in text)
    assert f"conftest.py:{line}, in " in text_of(result)


def test_a_criterion_whose_needs_nothing_provides_is_left_out_and_it_is_said(own: Project) -> None:
    own.write("conftest.py", TOY.replace('("layers",)', '("tea",)'))
    own.run().assert_outcomes(passed=4)
    report = own.report()
    assert heads(rows_of(report)) == list(MEASURED)
    assert "POS left out" in said(report)


# --- presets -------------------------------------------------------------------------------------


def test_all_presets_are_listed_with_the_settings(suite: Project) -> None:
    result = suite.pytester.runpytest_inprocess("--idc-settings")
    assert result.ret == 0
    assert set(PRESETS) == {"paper", "neural-coverage", "dnn-tip", "wisdom"}
    for name in PRESETS:
        assert name in result.stdout.str()


@pytest.mark.parametrize("preset", ["paper", "neural-coverage", "dnn-tip", "wisdom"])
def test_a_preset_changes_settings_and_is_their_origin(suite: Project, preset: str) -> None:
    suite.run(f"--idc-preset={preset}").assert_outcomes(passed=4)
    rows = {row["name"]: row for row in suite.report()["settings"]}
    for name, value in PRESETS[preset].items():
        assert rows[name]["origin"] == f"preset {preset}"
        assert rows[name]["value"] == str(value)
    assert rows["dsc_buckets"]["origin"] == "default"
    assert heads(rows_of(suite.report()))


def test_every_position_is_a_neuron_in_preset_dnn_tip(suite: Project) -> None:
    suite.run().assert_outcomes(passed=4)
    plain = rows_of(suite.report())
    suite.run("--idc-preset=dnn-tip").assert_outcomes(passed=4)
    changed = rows_of(suite.report())
    assert heads(changed) == list(MEASURED)
    assert numbers(changed) != numbers(plain)


def test_inputs_of_another_size_where_every_position_is_a_neuron_end_no_session(
    project: Project,
) -> None:
    project.write(
        "conv.py",
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv, self.fc = nn.Conv2d(1, 3, 3), nn.Linear(3, 2)

            def forward(self, x):
                return self.fc(torch.relu(self.conv(x)).mean((2, 3)))

        def reference():
            return torch.rand(60, 1, 6, 6)
        """,
    )
    project.ini("idc_reduce = none", model="conv:Net", reference="conv:reference")
    project.write(
        "test_it.py",
        """
        import torch

        def test_same_size(idc):
            idc(torch.rand(5, 1, 6, 6))

        def test_other_size(idc):
            idc(torch.rand(5, 1, 8, 8))

        def test_plain():
            pass
        """,
    )
    result = project.run()
    assert "INTERNALERROR" not in text_of(result)
    assert result.parseoutcomes().get("passed", 0) >= 2
    assert "conv" in text_of(result)


# --- outputs that are no class score -------------------------------------------------------------

BY_CLASS = ["IDC", "LSC", "DSC", "MDSC"]
OTHERS = [name for name in MEASURED if name not in BY_CLASS]
OUTPUTS = {
    "regression": "return super().forward(x)[:, :1]",
    "dict": "return {'boxes': super().forward(x)[:, 0], 'area': 1.0}",
}


def scoreless(project: Project, body: str) -> Project:
    project.write(
        "odd.py",
        f"from net import Net as Base\n\nclass Net(Base):\n    def forward(self, x):\n        {body}\n",
    )
    project.ini(model="odd:Net")
    return project


@pytest.mark.parametrize("output", OUTPUTS)
def test_without_class_scores_the_other_criteria_are_measured(suite: Project, output: str) -> None:
    result = scoreless(suite, OUTPUTS[output]).run()
    assert result.ret == 0
    report = suite.report()
    assert heads(rows_of(report)) == OTHERS
    assert "not a class score" in said(report)
    for name in BY_CLASS:
        assert name in said(report), name
        assert name in text_of(result), name
    assert "left out" in text_of(result)
    assert "idc_output" in text_of(result)


def test_the_note_on_surprise_leads_to_its_measure_without_classes(suite: Project) -> None:
    scoreless(suite, OUTPUTS["regression"])
    assert "set idc_surprise_labels = none (LSC and MDSC only)" in text_of(suite.run())
    result = suite.run("--idc-surprise-labels=none")
    assert {"LSC", "MDSC"} <= set(rows_of(suite.report()))
    assert "LSC, DSC, MDSC left out" not in text_of(result)


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("name", BY_CLASS)
def test_asking_for_what_needs_class_scores_is_an_error_that_says_why(
    suite: Project, output: str, name: str
) -> None:
    result = scoreless(suite, OUTPUTS[output]).run(f"--idc-criteria={name}")
    assert result.ret not in (0, 1)
    assert "not a class score" in text_of(result)
    assert "idc_output" in text_of(result)


def test_a_criterion_of_ones_own_is_gated_by_a_marker(own: Project) -> None:
    for threshold, status in (("POS=0.5", "ok"), ("PSO=0.5", "")):
        marker = f'idc_suite(fail_under="{threshold}")'
        own.write("test_it.py", TEST.replace("idc_suite", marker))
        result = own.run("--idc-criteria=POS")
        if status:
            assert own.report()["gates"][0]["status"] == status
        else:
            assert result.ret == pytest.ExitCode.USAGE_ERROR
            assert "idc_suite 'default': threshold 'PSO=0.5'" in text_of(result)
            assert "did you mean POS" in text_of(result)
