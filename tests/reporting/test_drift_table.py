"""What drift prints and judges where a figure is missing or extreme."""

from __future__ import annotations

import dataclasses

import pytest

from pytest_deepimportance.drift_gate import drift_thresholds, judge_drift
from pytest_deepimportance.drift_results import ChiSquare, DriftReport, DriftSpace
from pytest_deepimportance.reporting.drift_table import render
from tests.reporting import samples

JUDGED = ChiSquare(104.0, 63, 0.0009, 64, 33)
SPACE = DriftSpace("fc2", 6, 144, 95, 10_000, 60_000, 59_971, 0.9993, 1, 0.00002, JUDGED, ())


def report(**changes: object) -> DriftReport:
    space = dataclasses.replace(SPACE, **changes)  # type: ignore[arg-type]
    base = samples.passing()
    return DriftReport(
        "0.1",
        base.model,
        base.reference,
        "7d1e",
        "new\x1b[31m.npz",
        10_000,
        10_000,
        "labels",
        (space,),
    )


def text(**changes: object) -> str:
    return "\n".join(render(report(**changes)))


def test_all_figures() -> None:
    found = text()
    for part in ("95 of 144 combinations", "99.9 % of the reference", "1 new input (<0.1 %)",
                 "104 with 63 degrees of freedom", "33 combinations", "no classes"):  # fmt: skip
        assert part in " ".join(found.split())
    assert "\x1b" not in found


@pytest.mark.parametrize(
    ("p", "shown"), [(1e-9, "p < 1e-6"), (0.0, "p < 1e-6"), (0.5, "p = 0.500"), (1.0, "p = 1.00")]
)
def test_p(p: float, shown: str) -> None:
    assert shown in text(chi_square=dataclasses.replace(JUDGED, p=p))


def test_what_cannot_be_said_is_left_out_or_said_so() -> None:
    none = ChiSquare(None, 0, None, 1, 4, "fewer than two combinations are frequent enough")
    found = text(chi_square=none, expected_share=None)
    assert "not judged: fewer than two" in found
    assert "random ones" not in found


def test_gates_compare_exactly_and_say_when_they_cannot() -> None:
    none = ChiSquare(None, 0, None, 1, 4, "fewer than two")
    asked = drift_thresholds(["p=0.01", "known=0.9999", "known=1", "share=0.999", "share=1"])
    status = [gate.status for gate in judge_drift(report(chi_square=none), asked)]
    assert status == ["not judged", "ok", "failed", "ok", "failed"]
    (gate, *_) = judge_drift(report(), asked)
    assert (gate.status, gate.message) == ("failed", "p 0.0009 < 0.01")


@pytest.mark.parametrize(
    ("p", "asked", "message"),
    [(3e-9, "p=0.001", "p < 1e-6 < 0.001"), (0.0, "p=0.001", "p < 1e-6 < 0.001"),
     (2e-5, "p=0.001", "p 0.000020 < 0.001"), (3e-9, "p=0", "p 0.000000 >= 0")],
)  # fmt: skip
def test_a_tiny_p_is_not_shown_as_zero_where_it_fails(p: float, asked: str, message: str) -> None:
    found = report(chi_square=dataclasses.replace(JUDGED, p=p))
    (gate,) = judge_drift(found, drift_thresholds([asked]))
    assert gate.message == message
