"""Rankings compared: method with method, data with data, class with class."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import combinations

from pytest_deepimportance.analysis.agreement import class_overlap, overlap
from pytest_deepimportance.importance_results import ClassOverlap, ImportanceReport, Overlap


def compared(report: ImportanceReport) -> ImportanceReport:
    """Return the report with the overlaps between methods, data sets and classes."""
    return dataclasses.replace(
        report, overlaps=tuple(_overlaps(report)), class_overlaps=tuple(_class_overlaps(report))
    )


def _overlaps(report: ImportanceReport) -> Iterator[Overlap]:
    """Yield methods on the data that lead, then data sets by the same method."""
    sets = report.whole()
    lead = sets[0].data if sets else ""
    for kind in ("methods", "data"):
        for first, second in combinations(sets, 2):
            alike = (first.data == second.data == lead, first.method == second.method)
            if alike == (kind == "methods", kind == "data"):
                for layer in report.layers:
                    yield overlap(kind, first, second, layer.name, report.m_of(layer))


def _class_overlaps(report: ImportanceReport) -> Iterator[ClassOverlap]:
    for found in report.whole():
        classes = report.by_class(found.method, found.data)
        for layer in report.layers:
            m = report.m_of(layer)
            ranked = [own for own in classes if own.top(layer.name, m)]
            if len(ranked) > 1:
                yield class_overlap(ranked, layer.name, m)
