"""Thresholds from a measurement: always below it, and m only as large as the reference allows."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_deepimportance.calibration import below, calibrate, is_saturated, share_of
from pytest_deepimportance.errors import GateError
from pytest_deepimportance.results import LadderStep, Report
from tests.reporting import samples


def step(m: int, share: float, *, total: int = 0, covered: int = 0) -> LadderStep:
    total = total or 2**m
    return LadderStep(m, total, total, total, covered or total // 2 or 1, total // 2, share)


def report(*steps: LadderStep, m: int, usable: int = 1000, **changes: object) -> Report:
    base = samples.passing()
    total = dataclasses.replace(base.total, ladder=steps, **changes)  # type: ignore[arg-type]
    return dataclasses.replace(
        base,
        total=total,
        suites=(dataclasses.replace(total, name="clean"),),
        profile=samples.profile(m=m),
        reference=samples.reference(usable=usable),
    )


@given(st.fractions(0, 1, max_denominator=10**6))
def test_a_threshold_is_below_the_present_value(value: Fraction) -> None:
    found = below(value)
    if found is None:
        assert value < Fraction(1, 10**7)
        return
    assert 0 < found <= value * Fraction(95, 100) < value
    assert found > value * Fraction(85, 100) or found < Fraction(1, 10**6)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [("1", "0.95"), ("0.96", "0.91"), ("0.6", "0.57"), ("0.0228", "0.021"), ("0", "None")],
)
def test_rounded_down_to_two_digits_at_least(value: str, wanted: str) -> None:
    found = below(Fraction(value))
    assert found == (None if wanted == "None" else Fraction(wanted))


def test_the_present_m_while_it_tells_suites_apart() -> None:
    found = calibrate(report(*(step(m, 0.9) for m in range(1, 8)), m=4))
    assert (found.m, found.present) == (4, 4)
    assert (found.share, found.idc) == (Fraction("0.85"), Fraction("0.47"))


def test_a_larger_m_where_the_present_one_is_saturated() -> None:
    shares = [1, 1, 0.999, 0.99, 0.985, 0.9, 0.8]
    steps = [step(m, share) for m, share in enumerate(shares, 1)]
    assert [is_saturated(s) for s in steps] == [True] * 5 + [False] * 2
    assert calibrate(report(*steps, m=4)).m == 6
    assert calibrate(report(*steps, m=4, usable=63)).m == 4  # 64 combinations are too many
    assert calibrate(report(*steps, m=4, usable=64)).m == 6


def test_a_share_is_read_as_the_fraction_it_is() -> None:
    for rows in (1, 199, 200):
        assert share_of(step(1, rows / 200)) == Fraction(rows, 200)


def test_a_suite_by_name() -> None:
    given = report(*(step(m, 0.9) for m in range(1, 8)), m=4)
    assert calibrate(given, "clean").suite == "clean"
    with pytest.raises(GateError, match="did you mean clean"):
        calibrate(given, "claen")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"inputs": 1}, "single input"),
        ({"rows": 0, "inputs": 0}, "nothing was recorded"),
        ({"ladder": ()}, "IDC was not measured"),
    ],
)
def test_nothing_to_calibrate(changes: dict[str, object], why: str) -> None:
    given = report(*(step(m, 0.9) for m in range(1, 8)), m=4)
    given = dataclasses.replace(given, total=dataclasses.replace(given.total, **changes))  # type: ignore[arg-type]
    with pytest.raises(GateError, match=why):
        calibrate(given)


def test_a_single_combination_is_no_ground_for_a_gate() -> None:
    given = report(step(1, 1.0, total=1, covered=1), m=1)
    rows = {k: dataclasses.replace(r, total=1, covered=1) for k, r in given.total.criteria.items()}
    given = dataclasses.replace(given, total=dataclasses.replace(given.total, criteria=rows))
    with pytest.raises(GateError, match="only one combination"):
        calibrate(given)
