"""Why a threshold on another criterion than IDC was not met, as far as its numbers say."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_deepimportance.formatting import clean, count, plural
from pytest_deepimportance.readings import headline
from pytest_deepimportance.reporting import measured
from pytest_deepimportance.reporting.remarks import bucketless
from pytest_deepimportance.reporting.text import shorten
from pytest_deepimportance.results import CriterionRow, GateOutcome, Report, SuiteResult
from pytest_deepimportance.thresholds import IDC, REACHED, SHARE

_LAYERS = 3
_LAYER_NAME = 24


def is_about_idc(outcome: GateOutcome) -> bool:
    """Return whether a threshold is about IDC or a number derived from it."""
    return _criterion(outcome) in (IDC, SHARE, REACHED)


def shortfalls(report: Report, unmet: Sequence[GateOutcome]) -> list[str]:
    """Return a sentence for each criterion and suite of `unmet`, where there is one to say."""
    about = dict.fromkeys(
        (outcome.suite, _criterion(outcome))
        for outcome in unmet
        if not is_about_idc(outcome) and outcome.value is not None
    )
    found = []
    for name, criterion in about:
        suite = report.suite(name)
        row = None if suite is None else headline(suite, criterion)
        if suite is not None and row is not None:
            found.append(_shortfall(suite, row))
    return [text for text in dict.fromkeys(found) if text]


def _criterion(outcome: GateOutcome) -> str:
    found = re.match(r"[^@:=]+", outcome.threshold)
    return found[0] if found else ""


def _shortfall(suite: SuiteResult, row: CriterionRow) -> str:
    layers = lowest_layers(suite, row.criterion)
    name = measured.shown_name(row.criterion)
    if layers:
        return f"{name} is lowest in layer {', '.join(layers)}"
    if "upper" in row.details:
        lost, why = bucketless(row)
        if lost:
            return f"{name}: {count(lost)} of {plural(row.inputs, 'input')} hit no bucket ({why})"
        return ""
    if row.unit == "count" and row.inputs:
        return f"{plural(row.inputs, 'input')} gave {name} {count(int(row.covered))}"
    return ""


def lowest_layers(suite: SuiteResult, criterion: str) -> list[str]:
    """Return the three layers with the lowest number as "conv1 12.0%"; none if there is one only."""
    rows = measured.layer_rows(suite, criterion)
    if len(rows) < 2:
        return []
    return [
        f"{shorten(clean(row.layer or ''), _LAYER_NAME)} {measured.value_text(row)}"
        for row in rows[:_LAYERS]
    ]
