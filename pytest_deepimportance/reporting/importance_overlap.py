"""The lines on how alike important neurons are: between methods, data sets and classes."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from pytest_deepimportance.formatting import clean, count, listed, percent, plural
from pytest_deepimportance.importance_results import (
    ClassOverlap,
    ImportanceReport,
    Overlap,
    RankedLayer,
    ScoreSet,
)
from pytest_deepimportance.reporting.layers_table import columns
from pytest_deepimportance.reporting.text import shorten

_NAME = 18
_ROWS = 12
_HEADS = {"methods": "two methods", "data": "two data sets"}


def overlap_lines(report: ImportanceReport, fold: bool) -> list[str]:
    """Return a table of the overlaps of methods, and one of data sets, where there are any."""
    lines: list[str] = []
    for kind, head in _HEADS.items():
        found = [item for item in report.overlaps if item.kind == kind]
        if found:
            lines += ["", *_table(head, _chosen(found, report, fold))]
            hidden = len(found) - len(_chosen(found, report, fold))
            lines += [f"... and {plural(hidden, 'row')} more (-v)"] if hidden else []
    return lines


def _chosen(found: Sequence[Overlap], report: ImportanceReport, fold: bool) -> list[Overlap]:
    if not fold or len(found) <= _ROWS:
        return list(found)
    layer = next((y.name for y in report.layers if y.default), report.layers[-1].name)
    return [item for item in found if item.layer == layer][:_ROWS]


def _table(head: str, found: Sequence[Overlap]) -> list[str]:
    rows = [(head, "layer", "m", "overlap of top m", "by chance", "rank correlation")]
    for item in found:
        correlation = item.rank_correlation
        rows.append(
            (
                f"{shorten(clean(item.first), _NAME)} / {shorten(clean(item.second), _NAME)}",
                shorten(clean(item.layer), _NAME),
                count(item.m),
                percent(item.jaccard, 0, " %"),
                percent(item.chance, 0, " %"),
                "-" if correlation is None else f"{correlation:.2f}",
            )
        )
    return columns(rows, right={2, 3, 4, 5})


def class_lines(report: ImportanceReport, whole: ScoreSet, layer: RankedLayer) -> list[str]:
    """Return what the classes have in common in one layer; nothing for a single class."""
    for found in report.class_overlaps:
        if (found.method, found.data, found.layer) == (whole.method, whole.data, layer.name):
            return [
                line for text in _sentences(found) for line in textwrap.wrap(text, 80)
            ]  # fmt: skip
    return []


def _sentences(found: ClassOverlap) -> list[str]:
    classes = len(found.classes)
    shared = [n for n, number in enumerate(found.common) if number == classes]
    own = sum(number == 1 for number in found.common)
    none = sum(number == 0 for number in found.common)
    every = f" ({listed(map(str, shared), 12)})" if shared else ""
    one, other, alike = found.most_alike
    third, fourth, unlike = found.least_alike
    return [
        f"common: {plural(len(shared), 'neuron')} in the top {found.m} of all {classes} classes"
        f"{every}, {count(own)} in that of one class only, {count(none)} in none",
        f"overlap of two classes: {percent(found.jaccard, 0)} on average (by chance "
        f"{percent(found.chance, 0)}); most alike {clean(one)} and {clean(other)} "
        f"({percent(alike, 0)}), least {clean(third)} and {clean(fourth)} "
        f"({percent(unlike, 0)})",
    ]
