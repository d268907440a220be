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
from pytest_deepimportance.reporting.names import WHOLE, distinct
from pytest_deepimportance.reporting.text import shorten

_NAME, _LONG_NAME = 14, 24
_ROWS = 12
_HEADS = {"methods": "two methods", "data": "two data sets"}


def overlap_lines(report: ImportanceReport, fold: bool) -> list[str]:
    """Return the overlaps of methods, then those of data sets, where there are any."""
    lines: list[str] = []
    for kind, head in _HEADS.items():
        found = [item for item in report.overlaps if item.kind == kind]
        if fold and kind == "data":
            found = [item for item in found if item.within == found[0].within]
        if fold and len(found) > _ROWS:
            layer = next((y.name for y in report.layers if y.default), report.layers[-1].name)
            hidden = len(report.layers) - 1
            lines += ["", *_matrix([item for item in found if item.layer == layer])]
            lines += [f"... and {plural(hidden, 'other layer')} (-v)"] if hidden else []
        elif found:
            lines += ["", *_table(head, found, fold)]
    return lines


def _table(head: str, found: Sequence[Overlap], fold: bool) -> list[str]:
    layers = distinct({item.layer for item in found}, _NAME if fold else WHOLE)
    rows = [(head, "layer", "m", "overlap", "by chance", "rank corr.")]
    for item in found:
        rows.append(
            (
                f"{shorten(clean(item.first), _NAME)} / {shorten(clean(item.second), _NAME)}",
                layers[item.layer],
                count(item.m),
                percent(item.jaccard, 0, " %"),
                percent(item.chance, 0, " %"),
                "-" if item.rank_correlation is None else f"{item.rank_correlation:.2f}",
            )
        )
    return columns(rows, right={2, 3, 4, 5})


def _matrix(found: Sequence[Overlap]) -> list[str]:
    """Return all pairs of one layer: overlap below the diagonal, rank correlation above it."""
    names = list(dict.fromkeys(name for item in found for name in (item.first, item.second)))
    at = {(item.first, item.second): item for item in found}
    rows = [("", "", *map(str, range(1, len(names) + 1)))]
    for row, name in enumerate(names):
        cells = [str(row + 1), shorten(clean(name), _LONG_NAME)]
        for column, other in enumerate(names):
            if row == column:
                cells.append("-")
            elif row > column:
                cells.append(percent(at[other, name].jaccard, 0))
            else:
                correlation = at[name, other].rank_correlation
                cells.append("-" if correlation is None else f"{correlation:.2f}")
        rows.append(tuple(cells))
    first = found[0]
    said = (
        f"{clean(first.layer)}: below the diagonal the overlap of the top {first.m} (by chance "
        f"{percent(first.chance, 0)}), above it the rank correlation"
    )
    return [*columns(rows, right={0, *range(2, len(names) + 2)}), *textwrap.wrap(said, 80)]


def class_lines(report: ImportanceReport, whole: ScoreSet, layer: RankedLayer) -> list[str]:
    """Return what the classes have in common in one layer; nothing for a single class."""
    for found in report.class_overlaps:
        if (found.method, found.data, found.layer) == (whole.method, whole.data, layer.name):
            return [line for text in _sentences(found) for line in textwrap.wrap(text, 80)]
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
