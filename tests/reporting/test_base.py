from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from pytest_deepimportance.provenance import LayerRow
from pytest_deepimportance.reporting import base
from pytest_deepimportance.reporting.excluded import excluded
from pytest_deepimportance.results import Exclusions, Gap
from pytest_deepimportance.settings import from_keywords
from tests.reporting import criteria_samples, samples


def test_layers() -> None:
    assert base.measured_layers(samples.passing()) == "layer fc2 (84 neurons), after relu4"
    assert base.measured_layers(samples.huge()) == "2 layers (90 neurons) together"
    assert (
        base.measured_layers(samples.layers_and_classes())
        == "4 layers (80 neurons), each by itself"
    )
    plain = samples.profile(layers=(LayerRow("fc2", "Linear", 1, "its output", 1.0),))
    assert base.measured_layers(samples.passing(profile=plain)) == "layer fc2 (1 neuron)"
    unknown = samples.profile(layers=())
    assert base.measured_layers(samples.passing(profile=unknown)) == "layer fc2"


def test_layers_of_importance_are_not_those_that_other_criteria_read() -> None:
    huge = samples.huge()
    more = (*huge.profile.layers, LayerRow("head", "Linear", 10, "its output", None))
    profile = dataclasses.replace(huge.profile, layers=more)
    report = dataclasses.replace(huge, profile=profile)
    assert base.measured_layers(report) == "2 layers (90 neurons) together"
    assert base.measured_layers(criteria_samples.everything()).startswith("layer fc2 (84 neurons)")


def test_the_title_names_idc_where_it_is_measured() -> None:
    assert base.title(samples.nothing_recorded()) == base.NAME
    assert base.title(criteria_samples.everything()) == base.NAME
    assert base.title(criteria_samples.two_ratios()) == "Neural network coverage"


def test_rows_of_other_criteria_are_none_of_idc() -> None:
    total = criteria_samples.everything().total
    assert [row.key for row in base.idc_rows(total)] == ["IDC"]
    assert base.other_rows(total, classes=False) == base.other_rows(total, classes=True) == []


def test_remarks_on_criteria_come_after_the_notes_of_the_report() -> None:
    report = dataclasses.replace(
        criteria_samples.everything(), notes=("LSC left out: no room", "a note")
    )
    said = base.notes(report)
    assert said[0] == "LSC left out: no room"
    assert said[1] == "a note"
    assert said[2].startswith("DSC: 212 of 1,000")


@pytest.mark.parametrize(
    ("changes", "origin", "text"),
    [
        ({}, "built", "60,000 inputs (59,531 classified correctly)"),
        ({"fitted": 60_000}, "cached", "60,000 inputs, cached"),
        (
            {"rows": 10_000, "usable": 10_000, "fitted": 9_900, "sampled": True},
            "models/lenet.idc",
            "10,000 of 60,000 inputs, sampled (9,900 classified correctly), from models/lenet.idc",
        ),
        ({"rows": 1, "available": None, "usable": 1, "fitted": 1}, "built", "1 input"),
    ],
)
def test_reference(changes: dict[str, int], origin: str, text: str) -> None:
    report = samples.passing(
        reference=samples.reference(**changes), profile=samples.profile(origin=origin)
    )
    assert base.reference_rows(report) == text


def test_items() -> None:
    assert base.items(samples.passing()) == (
        "m=8 auto: 423 of 576 combinations occur in the reference (73.4 %)"
    )
    assert base.items(samples.huge()).startswith("m=40: 52,000 of 1.21e24 combinations")
    assert base.items(samples.layers_and_classes()).startswith("m=8 auto: 1,500 of 2,304")
    assert base.items(samples.passing(profile=samples.profile(spaces=()))) == (
        "no combination of clusters"
    )


def test_importance_says_when_relevance_is_lost() -> None:
    report = samples.passing()
    assert (
        base.importance(report) == "lrp, epsilon 1e-06; balance 2e-07; 97 % explained by the input"
    )
    info = dataclasses.replace(report.profile.importance, balance=0.02, input_share=-0.5, rule="")
    lost = samples.passing(profile=samples.profile(importance=info))
    assert (
        base.importance(lost)
        == "lrp; balance 2e-02 (should be below 1e-3); -50 % explained by the input"
    )
    none = dataclasses.replace(info, balance=None, input_share=None)
    assert base.importance(samples.passing(profile=samples.profile(importance=none))) == "lrp"


@pytest.mark.parametrize(
    ("width", "text"),
    [(40, "/home/ci/models/lenet5.pth"), (12, "lenet5.pth"), (9, "len...pth")],
)
def test_model_name_loses_its_folders_first(width: int, text: str) -> None:
    info = dataclasses.replace(samples.passing().model, spec="/home/ci/models/lenet5.pth")
    assert base.model_name(samples.passing(model=info), width) == text


def test_weakest_classes_and_rows() -> None:
    assert [row.name for row in base.weakest_classes(samples.failing().total)[:4]] == [
        "7",
        "9",
        "8",
        "3",
    ]
    total = samples.layers_and_classes().total
    assert [row.layer for row in base.other_rows(total, classes=False)][:2] == ["conv2", "conv1"]
    assert [row.class_name for row in base.other_rows(total, classes=True)][:2] == ["8", "9"]


def test_class_balance() -> None:
    assert base.class_balance(samples.passing().total) == (
        "89 to 113 inputs per class (by label), evenness 1.00"
    )
    assert base.class_balance(samples.failing().total) == (
        "no input of class 7, 8, 9 (by label), evenness 0.84"
    )
    assert base.class_balance(samples.passing().suites[0]) == ""
    assert base.untested_classes(samples.failing().total) == ["7", "8", "9"]


def test_gap_size() -> None:
    assert base.gap_size(Gap(306, "6", 278, 1, ()), 60_000) == (
        "306 reference inputs (0.5 %, 91 % of them class 6)"
    )
    assert base.gap_size(Gap(1, None, 0, None, ()), 60_000) == "1 reference input (<0.1 %)"


def test_excluded() -> None:
    assert excluded(Exclusions()) == "nothing that was seen"
    assert excluded(Exclusions(attack_passes=1, non_finite_rows=2_000, unmarked_passes=3, unmarked_tests=1)) == (
        "1 unmarked test (3 passes), 1 attack step, 2,000 rows with NaN or infinity"
    )  # fmt: skip
    numbers = [field.name for field in dataclasses.fields(Exclusions) if field.name != "details"]
    said = excluded(Exclusions(**dict.fromkeys(numbers, 77)))
    assert said.count("77") == len(numbers)


def test_notes_are_said_once_weightiest_first() -> None:
    said = base.notes(samples.remarked())
    assert said[0] == "the reference is augmented: the profile is one draw of it"
    assert "12 reference rows with NaN or infinity not in the profile" in said
    assert said[-1] == "the model was in train mode; it was measured in eval mode and put back"
    twice = samples.passing(notes=("same", "same."))
    assert base.notes(twice) == ["same"]


def test_notes_say_why_m_is_low() -> None:
    space = dataclasses.replace(
        samples.profile().spaces[0], m=4, m_from="auto: lowered from 6, why"
    )
    report = samples.passing(profile=samples.profile(spaces=(space,)))
    assert base.notes(report) == ["m=4, lowered from 6, why"]


def test_notes_on_m_name_class_and_layer() -> None:
    whole = samples.profile().spaces[0]
    why = "auto: lowered from 6, why"
    each = [
        dataclasses.replace(whole, class_name=str(label), m=2 + label // 3, m_from=why)
        for label in range(4)
    ]
    report = samples.passing(profile=samples.profile(spaces=tuple(each)))
    assert base.notes(report) == [
        "m=2 of class 0, class 1, class 2; class 0: lowered from 6, why",
        "m=3 of class 3; lowered from 6, why",
    ]
    two = tuple(dataclasses.replace(whole, layer=name, m_from=why) for name in ("fc1", "fc2"))
    report = samples.passing(profile=samples.profile(spaces=two))
    assert base.notes(report) == [
        f"m={whole.m} of layer fc1, layer fc2; layer fc1: lowered from 6, why"
    ]


def test_notes_of_failing_tests_only() -> None:
    row = samples.row(5, 10, 1, None, only_failing=3)
    report = samples.report((), samples.suite("TOTAL", 10, 9, row))
    assert base.notes(report) == ["3 combinations covered by failing tests only"]


def test_header() -> None:
    assert base.header(from_keywords()) == (
        "idc: model from fixture idc_model, reference from fixture idc_reference"
    )
    settings = from_keywords(model="lenet5.pth", profile="lenet5.idc", fail_under=["0.6 # why", "share=0.9"])  # fmt: skip
    assert base.header(settings) == "idc: model lenet5.pth, profile lenet5.idc, gate 0.6, share=0.9"


def test_reporting_needs_no_torch_and_no_numpy() -> None:
    code = (
        "import sys, pytest_deepimportance.reporting.terminal, "
        "pytest_deepimportance.reporting.json_report, pytest_deepimportance.reporting.settings_table\n"
        "print([name for name in ('torch', 'numpy') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr
