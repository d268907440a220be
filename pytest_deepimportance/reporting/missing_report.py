"""What is missing, by name: combinations, clusters and neurons (`--idc-report=term-missing`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_deepimportance.formatting import clean, count, listed, percent, plural
from pytest_deepimportance.readings import headline
from pytest_deepimportance.reporting import grids, measured
from pytest_deepimportance.reporting.grids import Grid
from pytest_deepimportance.reporting.text import Paragraph, cell_len, pad
from pytest_deepimportance.results import CriterionRow, Report

UNTOUCHED = "untouched"
"""Detail of a layer's row: the neurons that no input covers."""

_NEURONS = 12
"""Neurons named in one line; the JSON report names more."""


def missing_report(report: Report) -> list[Paragraph]:
    """Return the lines that name what no test of the session exercises.

    Combinations are of the total: the largest by reference inputs, each with the class most of
    these belong to, one of them, and the cluster of every important neuron.
    """
    if not report.total.rows:
        return []
    lines = [*_combinations(report), *_clusters(report), *_neurons(report)]
    if not lines and names_something(report):
        lines = [Paragraph.of("nothing that the reference does is missing", "green")]
    elif not lines:
        lines = [Paragraph.of("none of the measured criteria can name what is missing", "yellow")]
    return [Paragraph.of("missing", "bold"), *lines]


def names_something(report: Report) -> bool:
    """Return whether what is missing has names here: combinations of IDC, or single neurons."""
    return measured.has_idc(report) or any(
        UNTOUCHED in row.details for row in report.criteria.values()
    )


def _combinations(report: Report) -> Iterator[Paragraph]:
    row = headline(report.total)
    gaps = report.total.gaps
    if row is None or not gaps:
        return
    number = (row.reach or 0) - (row.covered_reached or 0)
    unseen = (row.reference_rows or 0) - (row.exercised_rows or 0)
    share = percent(unseen / row.reference_rows if row.reference_rows else None, unit=" %")
    which = f", the largest {len(gaps)} of them" if number > len(gaps) else ""
    yield Paragraph.of(
        f"{plural(number, 'combination')} that the reference reaches and no test exercises: "
        f"{plural(unseen, 'reference input')} ({share}){which}"
    )
    yield Paragraph.of(f"  by clusters of {grids.important_neurons(report)}:", "dim", 4)
    yield from _table(grids.gaps(report, len(gaps), "clusters"))


def _table(grid: Grid) -> Iterator[Paragraph]:
    table = [grid.titles, *grid.rows]
    widths = [max(cell_len(row[at]) for row in table) for at in range(len(grid.titles))]
    for at, row in enumerate(table):
        cells = [pad(cell, size) for cell, size in zip(row, widths, strict=True)]
        yield Paragraph((("  " + "  ".join(cells), "dim" if at == 0 else ""),), cut=True)


def _clusters(report: Report) -> Iterator[Paragraph]:
    """Name the clusters of important neurons that reference inputs fall into and no test does."""
    found = [
        (rows, f"{clean(hit.layer)}[{hit.index}] cluster {at} ({plural(rows, 'reference input')})")
        for hit in report.total.hits
        for at, (rows, inputs) in enumerate(zip(hit.reference_rows, hit.inputs, strict=True))
        if rows and not inputs
    ]
    if found:
        found.sort(key=lambda item: -item[0])
        names = listed([text for _, text in found], 4)
        yield Paragraph.of(f"clusters no input falls into: {names}", indent=4)


def _neurons(report: Report) -> Iterator[Paragraph]:
    """Name the neurons that a criterion never saw covered, layer by layer."""
    for name in measured.criteria(report):
        rows = [r for r in measured.layer_rows(report.total, name) if r.details.get(UNTOUCHED)]
        layers = [f"{clean(row.layer or '')} {_indices(row)}" for row in rows]
        if layers:
            total = sum(int(row.total - row.covered) for row in rows)
            head = f"{measured.shown_name(name)}: {plural(total, 'neuron')} never covered: "
            yield Paragraph.of(head + "; ".join(layers), indent=4)


def _indices(row: CriterionRow) -> str:
    found: Sequence[int] = row.details[UNTOUCHED]
    more = int(row.total - row.covered) - min(len(found), _NEURONS)
    shown = " ".join(str(index) for index in found[:_NEURONS])
    return f"{shown} and {count(more)} more" if more else shown
