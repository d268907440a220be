"""Three lines for whoever measures without a gate: what to type to get one."""

from __future__ import annotations

from pytest_deepimportance.calibration import calibrate
from pytest_deepimportance.errors import GateError
from pytest_deepimportance.formatting import exact
from pytest_deepimportance.reporting.calibration_table import suggestions
from pytest_deepimportance.reporting.text import Paragraph
from pytest_deepimportance.results import Report

GREETING = "no gate yet"
"""How the hint begins."""


def gate_hint(report: Report) -> list[Paragraph]:
    """Return the hint; nothing where a part of the tests ran, or nothing can be gated."""
    if report.run.partial or not report.run.complete:
        return []
    try:
        found = calibrate(report)
    except GateError:
        return []
    gate = ", ".join(f"{name}={exact(value)}" for name, value, _ in suggestions(found))
    if not gate:
        return []
    texts = (
        f"{GREETING}. For m={found.m}, {gate} (95 % of what the tests reach) type:",
        "  pytest --idc-report=json:idc.json",
        "  deepimportance calibrate idc.json --write",
    )
    return [Paragraph.of(text, "dim") for text in texts]
