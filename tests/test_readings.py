from __future__ import annotations

import dataclasses
from fractions import Fraction

import pytest

from pytest_deepimportance.readings import (
    NoVerdict,
    headline,
    read,
    row_is_degenerate,
    why_not_judged,
)
from pytest_deepimportance.results import ClassShare
from pytest_deepimportance.thresholds import parse_threshold
from tests.reporting import samples


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


def test_why_not_judged() -> None:
    unvisited = samples.row(0, 0, 0, None, details={"not_judged_unvisited": 3})
    assert why_not_judged([unvisited]) == "no pass visited the measured layer"
    assert "no labels" in why_not_judged([samples.row(0, 0, 0, None)])
