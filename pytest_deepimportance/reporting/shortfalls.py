"""Why a threshold on another criterion than IDC was not met, as far as its numbers say."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_deepimportance.formatting import clean, plural
from pytest_deepimportance.readings import headline
from pytest_deepimportance.reporting import measured
from pytest_deepimportance.reporting.remarks import without_bucket
from pytest_deepimportance.reporting.text import shorten
from pytest_deepimportance.results import CriterionRow, GateOutcome, Report, SuiteResult
from pytest_deepimportance.thresholds import IDC, REACHED, SHARE

_PATTERNS = "TKNP"
_LAYERS = 3
_LAYER_NAME = 24


def is_about_idc(outcome: GateOutcome) -> bool:
    """Return whether a threshold is about IDC or a number derived from it."""
    return _criterion(outcome) in (IDC, SHARE, REACHED)


def shortfalls(report: Report, unmet: Sequence[GateOutcome]) -> list[str]:
    """Return a sentence for each criterion and suite of `unmet`, where there is one to say."""
    found = []
    for outcome in unmet:
        suite = report.suite(outcome.suite)
        if is_about_idc(outcome) or outcome.value is None or suite is None:
            continue
        row = headline(suite, _criterion(outcome))
        if row is not None:
            found.append(_shortfall(suite, row, outcome))
    return [text for text in dict.fromkeys(found) if text]


def _criterion(outcome: GateOutcome) -> str:
    found = re.match(r"[^@:=]+", outcome.threshold)
    return found[0] if found else ""


def _shortfall(suite: SuiteResult, row: CriterionRow, outcome: GateOutcome) -> str:
    name = measured.shown_name(row.criterion)
    surprise = "upper" in row.details
    if (surprise or row.criterion == _PATTERNS) and (outcome.needed or 0) > row.inputs:
        item = "bucket" if surprise else "pattern"
        inputs = plural(row.inputs, "input")
        return f"{name}: an input gives one {item} at most, and there were {inputs}"
    if surprise:
        without = without_bucket(row)
        return f"{name}: {without}" if without else ""
    layers = lowest_layers(suite, row.criterion)
    if layers and not outcome.threshold.startswith(f"{row.criterion}@"):
        return f"{name} is lowest in layer {', '.join(layers)}"
    return ""


def lowest_layers(suite: SuiteResult, criterion: str) -> list[str]:
    """Return the three layers with the lowest number as "conv1 12.0%", if there are several."""
    rows = measured.layer_rows(suite, criterion)
    if len(rows) < 2:
        return []
    return [
        f"{shorten(clean(row.layer or ''), _LAYER_NAME)} {measured.value_text(row)}"
        for row in rows[:_LAYERS]
    ]
