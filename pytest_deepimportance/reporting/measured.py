"""Which criteria and layers a report is about, and how one measured number is written."""

from __future__ import annotations

from pytest_deepimportance.formatting import amount, clean, percent, plural
from pytest_deepimportance.provenance import LayerRow
from pytest_deepimportance.readings import headline
from pytest_deepimportance.reporting.text import shorten
from pytest_deepimportance.results import CriterionRow, Report, SuiteResult
from pytest_deepimportance.thresholds import IDC

_LONGEST_NAME = 20


def has_idc(report: Report) -> bool:
    """Return whether IDC is measured; of a report without numbers, whether the profile can."""
    if report.criteria:
        return headline(report.total) is not None
    return bool(report.profile.spaces)


def criteria(report: Report) -> list[str]:
    """Return the names of the measured criteria beside IDC, in the order of the report."""
    names = dict.fromkeys(row.criterion for row in report.criteria.values())
    return [name for name in names if name != IDC]


def shown_name(name: str) -> str:
    """Return the name of a criterion (users register their own) fit for a column."""
    return shorten(clean(name), _LONGEST_NAME)


def value_text(row: CriterionRow | None, *, places: int = 1) -> str:
    """Write a number: a ratio as a percentage, a count as a count; "-" where it says nothing."""
    if row is None or not row.judged:
        return "-"
    if row.unit != "ratio":
        return amount(row.covered)
    return percent(row.fraction if row.total else None, places, bare=places > 1)


def layer_rows(suite: SuiteResult, criterion: str) -> list[CriterionRow]:
    """Return a criterion's judged rows of single layers, the lowest first."""
    rows = [
        row
        for row in suite.criteria.values()
        if row.criterion == criterion
        and row.layer is not None
        and row.class_name is None
        and row.judged
        and (row.total or row.unit != "ratio")
    ]
    return sorted(rows, key=lambda row: (row.fraction, row.key))


def layers_of(suite: SuiteResult, criterion: str) -> list[str]:
    """Return the layers a criterion is measured on, as far as its rows name them."""
    rows = [row for row in suite.criteria.values() if row.criterion == criterion]
    names = [row.layer for row in rows] + [row.details.get("layer") for row in rows]
    return list(dict.fromkeys(str(name) for name in names if name is not None))


def without_importance(report: Report) -> str:
    """Say which layers are measured where there is no IDC: "all layers (236 neurons)"."""
    rows = _measured_layers(report)
    neurons = plural(sum(row.neurons for row in rows), "neuron")
    if len(rows) == 1:
        (row,) = rows
        reads = "" if row.reads == "its output" else f", after {clean(row.reads)}"
        return f"layer {clean(row.name)} ({plural(row.neurons, row.unit)}){reads}"
    asked = next((row.value for row in report.settings if row.name == "neuron_layers"), "")
    if len(rows) < len(report.profile.layers):
        asked = ""
    which = {"all": "all layers", "hidden": "all hidden layers"}.get(asked)
    return f"{which or plural(len(rows), 'layer')} ({neurons})"


def _measured_layers(report: Report) -> list[LayerRow]:
    """Return the layers that some criterion reads; all of them where one does not name its own."""
    read = [layers_of(report.total, name) for name in criteria(report)]
    names = {name for layers in read for name in layers}
    layers = report.profile.layers
    if not all(read):
        return list(layers)
    return [row for row in layers if row.name in names] or list(layers)


def not_asked_for(report: Report) -> set[str]:
    """Return the profile's remarks on what it lacks for criteria that nobody asks for here."""
    asked = next((row.value for row in report.settings if row.name == "criteria"), "all")
    wanted = [name.strip() for name in asked.split(",")]
    if "all" in wanted:
        return set()
    remarks = [text for text in report.profile.notes if " left out: " in text]
    return {
        text
        for text in remarks
        if not set(text.partition(" left out: ")[0].split(", ")) & set(wanted)
    }
