from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

import pytest

from pytest_deepimportance.readings import (
    NoVerdict,
    headline,
    read,
    row_is_degenerate,
    why_not_judged,
)
from pytest_deepimportance.results import ClassShare, CriterionRow, Report, SuiteResult
from pytest_deepimportance.thresholds import parse_threshold
from tests.reporting import criteria_samples, samples


def test_headline_is_the_pooled_row() -> None:
    total = samples.layers_and_classes().total
    row = headline(total)
    assert row is not None
    assert (row.covered, row.layer, row.class_name) == (305, None, None)
    assert headline(total, "KMNC") is None


def test_headline_of_a_single_layer_named_in_its_row() -> None:
    named = samples.row(5, 10, 1, None, layer="fc2")
    per_class = samples.row(1, 10, 1, None, layer="fc2", class_name="7", class_index=7)
    suite = samples.suite("TOTAL", 10, 9, per_class, more=[named])
    assert headline(suite) is named
    report = samples.report((), suite)
    assert read(report, suite, parse_threshold("IDC@fc2=0.1")).covered == 5
    assert read(report, suite, parse_threshold("0.1")).covered == 5
    assert read(report, suite, parse_threshold("IDC:7=0.1")).covered == 1


def test_class_rows_of_several_layers_give_the_lowest() -> None:
    rows = [samples.row(got, 10, 1, None, layer=layer, class_name="7", class_index=7)
            for layer, got in (("fc1", 3), ("fc2", 2))]  # fmt: skip
    suite = samples.suite("TOTAL", 10, 9, samples.row(5, 10, 1, None), more=rows)
    report = samples.report((), suite)
    assert read(report, suite, parse_threshold("IDC:7=0.1")).covered == 2
    assert read(report, suite, parse_threshold("IDC@fc1:7=0.1")).covered == 3


def test_the_lowest_class_skips_classes_without_reference_rows() -> None:
    classes = (
        ClassShare(0, "a", 0, 0, 5),
        ClassShare(1, "b", 10, 4, 5),
        ClassShare(2, "c", 10, 6, 5),
    )
    suite = dataclasses.replace(samples.passing().total, classes=classes)
    reading = read(samples.passing(), suite, parse_threshold("share:*=0.5"))
    assert (reading.value, reading.who) == (Fraction(2, 5), "class b")
    with pytest.raises(NoVerdict, match="no such class"):
        read(samples.passing(), suite, parse_threshold("share:a=0.5"))


def test_share_of_the_lowest_class_needs_classes() -> None:
    suite = dataclasses.replace(samples.passing().total, classes=())
    with pytest.raises(NoVerdict, match="no classes"):
        read(samples.passing(), suite, parse_threshold("share:*=0.5"))


def test_a_row_without_reference_counts_is_not_judged() -> None:
    row = samples.row(5, 10, 1, None, exercised_rows=None, reference_rows=None, reach=0)
    suite = samples.suite("TOTAL", 10, 9, row)
    for text in ("share=0.5", "reached=0.5", "random"):
        with pytest.raises(NoVerdict) as caught:
            read(samples.report((), suite), suite, parse_threshold(text))
        assert caught.value.status == "not judged"


def test_degenerate_rows() -> None:
    assert row_is_degenerate(samples.row(1, 10, 1, None, total=1))
    assert row_is_degenerate(samples.row(3, 10, 1, None, total=3, details={"degenerate": "yes"}))
    assert not row_is_degenerate(samples.row(1, 10, 1, None, total=2))
    assert not row_is_degenerate(samples.row(1, 10, 1, None, total=0, unit="count"))
    assert not row_is_degenerate(CriterionRow("MINE", "ratio", 1, 1))


def test_why_not_judged() -> None:
    unvisited = samples.row(0, 0, 0, None, details={"not_judged_unvisited": 3})
    assert why_not_judged([unvisited]) == "no pass visited the measured layer"
    assert "no labels" in why_not_judged([samples.row(0, 0, 0, None)])


@pytest.mark.parametrize(
    ("details", "why"),
    [
        ({"not_judged_unlabelled": 9, "non_finite": 1}, "the class of no input is known"),
        ({"not_judged_unvisited": 9}, "no pass visited the measured layer"),
        ({"no_reference": 9}, "the reference holds nothing to compare their classes with"),
        ({"non_finite": 9}, "no finite surprise follows from the reference rows of their classes"),
        ({"upper": 0.0}, "the reference shows no surprise at all, so there is no scale"),
        ({"not_finite": "nan"}, "its value is nan"),
        ({}, "the criterion itself gave no verdict"),
    ],
)
def test_why_other_criteria_are_not_judged(details: dict[str, Any], why: str) -> None:
    row = CriterionRow("DSC", "ratio", 0, 1000, judged=False, details=details)
    assert why_not_judged([row]) == why


def only(*rows: CriterionRow) -> tuple[Report, SuiteResult]:
    suite = SuiteResult("TOTAL", 1, 10, 10, 10, 9, {row.key: row for row in rows})
    return samples.report((), suite), suite


def test_layers_of_a_criterion_are_those_of_its_own_rows() -> None:
    report, suite = only(*criteria_samples.bits("KMNC"), samples.row(5, 10, 1, None))
    assert read(report, suite, parse_threshold("KMNC@fc1=0.1")).total == 120_000
    with pytest.raises(NoVerdict, match="no such layer; layers, nearest first: fc"):
        read(report, suite, parse_threshold("KMNC@fc=0.1"))
    with pytest.raises(NoVerdict, match=r"layers: fc2$"):  # of importance
        read(report, suite, parse_threshold("IDC@conv1=0.1"))


def test_surprise_is_found_under_the_layer_it_is_measured_on() -> None:
    report, suite = only(criteria_samples.surprise("LSC", 123))
    assert read(report, suite, parse_threshold("LSC@fc2=0.1")).covered == 123
    with pytest.raises(NoVerdict, match="no such layer; layers: fc2"):
        read(report, suite, parse_threshold("LSC@conv1=0.1"))


def test_a_criterion_without_layers_says_so() -> None:
    report, suite = only(*criteria_samples.counts())
    for layer in ("fc2", "nowhere"):
        with pytest.raises(NoVerdict, match="TKNP is one number over all layers"):
            read(report, suite, parse_threshold(f"TKNP@{layer}=5"))


def test_a_layer_that_this_criterion_does_not_look_at_is_told_from_an_unknown_one() -> None:
    row = dataclasses.replace(criteria_samples.surprise("LSC", 123), details={"layer": "fc1"})
    report, suite = only(row, samples.row(5, 10, 1, None, layer="fc1"))
    with pytest.raises(NoVerdict) as caught:
        read(report, suite, parse_threshold("LSC@fc2=0.1"))
    wanted = "LSC is measured in layer fc1, not in fc2 (choose with --idc-surprise-layer)"
    assert caught.value.message == wanted
    with pytest.raises(NoVerdict, match=r"IDC is measured in .* not in fc2 \(.* --idc-layer\)"):
        read(only(samples.row(5, 10, 1, None, layer="fc1"))[0], suite, parse_threshold("IDC@fc2=1"))


def test_a_criterion_that_was_left_out_says_why() -> None:
    report, suite = only(*criteria_samples.bits("NC"))
    report = dataclasses.replace(report, notes=("LSC, DSC left out: keeps no activations",))
    with pytest.raises(NoVerdict, match=r"^DSC was left out: keeps no activations$"):
        read(report, suite, parse_threshold("DSC=0.1"))
    with pytest.raises(NoVerdict, match="add MDSC to --idc-criteria"):
        read(report, suite, parse_threshold("MDSC=0.1"))


def test_a_criterion_that_the_marker_of_a_suite_leaves_out_names_the_marker() -> None:
    report, _ = only(*criteria_samples.bits("NC"), *criteria_samples.bits("KMNC"))
    suite = dataclasses.replace(only(*criteria_samples.bits("NC"))[1], name="clean")
    with pytest.raises(NoVerdict, match="add KMNC to criteria= of the marker of suite clean"):
        read(report, suite, parse_threshold("clean/KMNC=0.1"))


@pytest.mark.parametrize(
    ("text", "name"), [("KMNC=0.5", "KMNC"), ("share=0.5", "IDC"), ("0.5", "IDC")]
)
def test_a_criterion_that_was_not_measured_is_told_from_an_unknown_one(
    text: str, name: str
) -> None:
    report, suite = only(*criteria_samples.bits("NC"))
    with pytest.raises(NoVerdict, match=f"no {name} was measured, only NC"):
        read(report, suite, parse_threshold(text))


def test_a_criterion_without_classes_says_so() -> None:
    report, suite = only(*criteria_samples.bits("NC"))
    with pytest.raises(NoVerdict, match="NC has no numbers per class"):
        read(report, suite, parse_threshold("NC:7=0.5"))


def test_a_total_of_0_is_not_judged() -> None:
    report, suite = only(CriterionRow("SNAC", "ratio", 0, 0))
    with pytest.raises(NoVerdict, match="nothing to cover") as caught:
        read(report, suite, parse_threshold("SNAC=0"))
    assert caught.value.status == "not judged"
