"""Thresholds on new data: the least share, the least known part, the least p value."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from pytest_deepimportance.drift_results import DriftGate, DriftReport, DriftSpace
from pytest_deepimportance.errors import GateError
from pytest_deepimportance.formatting import contrast
from pytest_deepimportance.thresholds import SHARE, Threshold, parse_threshold

KNOWN, P = "known", "p"
_SMALL, _SMALLEST = Fraction(1, 10_000), Fraction(1, 1_000_000)
"""Below the one a number is shown with more decimals, below the other without a value."""
_NAMES = {KNOWN: "ratio", P: "ratio"}
_FORMS = (
    "share=0.9 (the least share), known=0.99 (the least part of the new inputs whose combination "
    "the reference shows) or p=0.001 (the least p value)"
)


def drift_thresholds(texts: Iterable[str]) -> list[Threshold]:
    """Parse thresholds such as "share=0.9".

    Raises:
        GateError: One is malformed, or about something else.
    """
    found = []
    for text in texts:
        try:
            threshold = parse_threshold(text, criteria=_NAMES)
        except GateError as error:
            raise GateError(error.what, error.why, f"Write {_FORMS}.") from error
        plain = (threshold.suite, threshold.layer, threshold.label) == (None, None, None)
        if not plain or threshold.name not in (SHARE, *_NAMES):
            raise GateError(
                f"threshold {text}: new data have no suites, layers, classes or other names",
                fix=f"Write {_FORMS}.",
            )
        found.append(threshold)
    return found


def judge_drift(report: DriftReport, thresholds: Iterable[Threshold]) -> tuple[DriftGate, ...]:
    """Judge each threshold; of several layers the lowest counts."""
    return tuple(_judge(report, threshold) for threshold in thresholds)


def _judge(report: DriftReport, threshold: Threshold) -> DriftGate:
    assert isinstance(threshold.value, Fraction)
    values = [_value(space, threshold.name) for space in report.spaces]
    known = [value for value in values if value is not None]
    if not known:
        why = report.spaces[0].chi_square.why or "no input reached the layer"
        return DriftGate(threshold.text, "not judged", f"{threshold.name} is not judged: {why}")
    shown, asked = contrast(min(known), threshold.value, 4 if min(known) >= _SMALL else 6)
    if min(known) < _SMALLEST < threshold.value:
        shown = "< 1e-6"
    met = min(known) >= threshold.value
    return DriftGate(
        threshold.text,
        "ok" if met else "failed",
        f"{threshold.name} {shown} {'>=' if met else '<'} {asked}",
    )


def _value(space: DriftSpace, name: str) -> Fraction | None:
    if name == P:
        return None if space.chi_square.p is None else Fraction(space.chi_square.p)
    if name == KNOWN:
        return 1 - Fraction(space.unknown_inputs, space.inputs) if space.inputs else None
    return Fraction(space.exercised_rows, space.reference_rows)
