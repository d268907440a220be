from __future__ import annotations

import dataclasses
import json
from fractions import Fraction

import pytest

from pytest_deepimportance.results import (
    FORMAT,
    ClassShare,
    CriterionRow,
    Exclusions,
    Report,
    RunInfo,
)
from tests.reporting import samples
from tests.reporting.criteria_samples import EVERY


@pytest.mark.parametrize("name", EVERY)
def test_json_round_trip(name: str) -> None:
    for report in EVERY[name]():
        data = json.loads(json.dumps(report.to_json()))
        assert Report.from_json(data) == report


def test_another_format_is_refused() -> None:
    data = {**samples.passing().to_json(), "format": 99}
    with pytest.raises(ValueError, match=f"99.*{FORMAT}"):
        Report.from_json(data)


def test_integers_stay_exact_whatever_their_size() -> None:
    row = CriterionRow("IDC", "ratio", 3**50, 4**50)
    assert row.fraction == Fraction(3**50, 4**50)
    data = json.loads(json.dumps(samples.huge().to_json()))
    assert Report.from_json(data).criteria["IDC"].total == 4**40


def test_ratios_of_nothing() -> None:
    empty = CriterionRow("IDC", "ratio", 0, 0)
    assert (empty.value, empty.fraction, empty.share, empty.of_reached) == (0.0, 0, None, None)
    assert ClassShare(0, "a", 0, 0, 3).share is None
    assert samples.unlabelled().total.accuracy is None


def test_counts_are_not_ratios() -> None:
    row = CriterionRow("CC", "count", 219, 0)
    assert (row.value, row.fraction) == (219.0, 219)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_is_never_stored(number: float) -> None:
    row = CriterionRow("MINE", "float", number, details={"rows": 3})
    assert (row.covered, row.value, row.fraction, row.judged) == (0, 0.0, 0, False)
    assert row.details == {"rows": 3, "not_finite": str(number)}
    assert CriterionRow("NLC", "float", 1.5).judged


def test_a_float_keeps_its_exact_value() -> None:
    assert CriterionRow("NLC", "float", 0.1).fraction == Fraction(0.1) != Fraction(1, 10)


@pytest.mark.parametrize(
    ("layer", "label", "key"),
    [
        (None, None, "IDC"),
        ("fc2", None, "IDC@fc2"),
        (None, "7", "IDC:7"),
        ("fc2", "7", "IDC@fc2:7"),
    ],
)
def test_keys_are_spelled_like_thresholds(layer: str | None, label: str | None, key: str) -> None:
    assert CriterionRow("IDC", "ratio", 1, 2, layer=layer, class_name=label).key == key


def test_report_lookups() -> None:
    report = samples.passing()
    assert report.criteria["IDC"].value == 176 / 576
    assert report.suite("TOTAL") is report.total
    assert report.suite("clean") is report.suites[0]
    assert report.suite("nothing") is None
    assert report.criteria["IDC"].of_reached == 176 / 423
    assert report.criteria["IDC"].share == 56_292 / 60_000


def test_flags() -> None:
    assert RunInfo(deselected=1).partial
    assert not RunInfo().partial
    assert not Exclusions().any
    assert Exclusions(paused_passes=1).any


def test_everything_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        samples.passing().version = "2"  # type: ignore[misc]
