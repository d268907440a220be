from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from pytest_deepimportance.reporting.remarks import MOST, notable, remarks, sentences
from pytest_deepimportance.results import CriterionRow, Report
from tests.reporting.criteria_samples import (
    baselines,
    bits,
    counts,
    everything,
    not_judged,
    surprise,
    without_idc,
)


def said(*rows: CriterionRow) -> list[str]:
    return sentences(without_idc(rows))


def of(name: str, **details: Any) -> Report:
    return without_idc(baselines(**{name: details}))


def test_nothing_is_said_of_plain_numbers() -> None:
    report = without_idc(baselines())
    assert remarks(report) == []
    assert notable(report) == set()


def test_criteria_that_share_a_cause_share_its_sentence() -> None:
    report = everything()
    assert sentences(report)[1] == (
        "KMNC, NBC, SNAC: 34 of 236 neurons are constant in the reference"
    )
    assert notable(report) == {"KMNC", "NBC", "SNAC", "DSC"}


def test_equal_causes_with_other_numbers_are_told_apart() -> None:
    few, many = bits("NBC", degenerate_neurons=30), bits("SNAC", degenerate_neurons=60)
    assert said(*few, *many) == [
        "SNAC: 60 of 236 neurons are constant in the reference",
        "NBC: 30 of 236 neurons are constant in the reference",
    ]


@pytest.mark.parametrize(
    ("name", "details"),
    [
        ("KMNC", {"degenerate_neurons": 23}),  # 9.7 %
        ("KMNC", {"degenerate_neurons": 400}),  # more than the profile counts: positions
        ("DSC", {"below": 50, "above": 49}),
        ("NC", {"near_boundary": 2}),
        ("KMNC", {"near_boundary": 2360}),
        ("LSC", {"near_boundary": 10}),
        ("LSC", {"dropped_columns": list(range(41))}),
        ("TKNC", {"k": 3, "narrow_layers": []}),
        ("KMNC", {"out_of_range_neurons": 200}),
    ],
)
def test_what_matters_little_is_not_said(name: str, details: Mapping[str, Any]) -> None:
    assert remarks(of(name, **details)) == []


@pytest.mark.parametrize(
    ("name", "details", "text"),
    [
        (
            "KMNC",
            {"degenerate_neurons": 24},
            "KMNC: 24 of 236 neurons are constant in the reference",
        ),
        (
            "DSC",
            {"below": 50, "above": 50},
            "DSC: 100 of 1,000 inputs hit no bucket (mostly surprise of 0 or less)",
        ),
        ("MDSC", {"above": 300}, "MDSC: 300 of 1,000 inputs hit no bucket (above the scale)"),
        (
            "LSC",
            {"non_finite": 800, "no_density": [1, 4]},
            "LSC: 800 of 1,000 inputs hit no bucket (no density for 2 classes)",
        ),
        (
            "DSC",
            {"non_finite": 200},
            "DSC: 200 of 1,000 inputs hit no bucket (no finite surprise)",
        ),
        (
            "LSC",
            {"no_reference": 150, "below": 1},
            "LSC: 151 of 1,000 inputs hit no bucket (mostly nothing of their class to compare with)",
        ),
        (
            "LSC",
            {"dropped_columns": list(range(42))},
            "LSC: 42 of 84 neurons hardly vary and are left out",
        ),
        (
            "NC",
            {"near_boundary": 3},
            "within rounding of a boundary, so devices may differ: NC 1.3 %",
        ),
        (
            "LSC",
            {"near_boundary": 11},
            "within rounding of a boundary, so devices may differ: LSC 1.1 %",
        ),
        (
            "TKNC",
            {"k": 3, "narrow_layers": ["head", "tail"]},
            "TKNC: layers head, tail have at most k=3 neurons, which any input covers",
        ),
        (
            "NC",
            {"unvisited_layers": ["a", "b", "c", "d"]},
            "NC: the tests never ran layers a, b, c and 1 more, whose items count all the same",
        ),
    ],
)
def test_what_matters_is_said_with_its_number(
    name: str, details: Mapping[str, Any], text: str
) -> None:
    report = of(name, **details)
    assert sentences(report) == [text]
    assert notable(report) == {name}


def test_inputs_without_a_bucket_are_one_sentence_for_all_surprise_criteria() -> None:
    report = without_idc([surprise("LSC", 9, below=300), surprise("DSC", 9, no_reference=120)])
    assert sentences(report) == [
        "of 1,000 inputs these hit no bucket: LSC 300 (surprise of 0 or less), "
        "DSC 120 (nothing of their class to compare with)"
    ]


def test_counts_in_doubt_are_compared_with_what_they_count() -> None:
    tknp = CriterionRow("TKNP", "count", 412, inputs=1_000, details={"near_boundary": 5})
    (text,) = said(tknp, *counts()[1:])
    assert text.endswith("devices may differ: TKNP 1.2 %")


def test_what_is_not_judged_comes_first_and_the_rest_by_weight() -> None:
    texts = [remark.text for remark in remarks(not_judged())]
    assert texts == [
        "LSC, DSC, MDSC: not judged, the class of no input is known",
        "NC, KMNC: the tests never ran layer conv2, whose items count all the same",
        "TKNC: layer head has at most k=3 neurons, which any input covers",
        "within rounding of a boundary, so devices may differ: NC 3.0 %",
    ]
    assert sentences(not_judged()) == texts[:MOST]


def test_a_total_of_0_is_not_judged() -> None:
    assert said(CriterionRow("SNAC", "ratio", 0, 0)) == [
        "SNAC: not judged, there is nothing to cover"
    ]


def test_names_of_users_criteria_cannot_break_the_line() -> None:
    row = CriterionRow("a\nb\x1b", "ratio", 0, 5, judged=False)
    assert said(row) == ["a b?: not judged, the criterion itself gave no verdict"]
