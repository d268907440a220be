"""All pictures of one importance report, or of important neurons read from a stored one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pytest_deepimportance.importance_results import ImportanceReport, ScoreSet, TopSets
from pytest_deepimportance.plots.bars import draw_bars
from pytest_deepimportance.plots.canvas import check_matplotlib, file_name
from pytest_deepimportance.plots.common import draw_members, draw_shared
from pytest_deepimportance.plots.heatmap import draw_heatmap

MOST_LAYERS = 6


def draw_all(report: ImportanceReport, folder: Path) -> list[Path]:
    """Draw what the report holds: top neurons, neurons x classes or methods, common neurons.

    Layers beyond the six leading ones are left out (--layers names others).

    Returns:
        The files written.

    Raises:
        SettingsError: matplotlib is not installed.
        ReportError: The folder cannot be written to.
    """
    check_matplotlib()
    layers = report.leading_layers(MOST_LAYERS)
    paths = [draw_bars(report, layers, folder / "top-neurons.png")]
    lead = report.whole()[0]
    for of, sets, names in (
        ("class", *_classes(report, lead)),
        ("method", *_methods(report, lead)),
    ):
        for layer in layers if len(sets) > 1 else ():
            path = folder / f"{file_name(of, layer.name)}.png"
            paths.append(draw_heatmap(sets, names, layer.name, path, of=of))
    tops = report.top_sets()
    leading = {layer.name for layer in layers}
    return paths + draw_common([sets for sets in tops if sets.layer in leading], tops, folder)


def draw_common(leading: Sequence[TopSets], found: Sequence[TopSets], folder: Path) -> list[Path]:
    """Draw the common neurons of the leading layers, and of all layers together.

    Returns:
        The files written.
    """
    paths = [
        draw_members(sets, folder / f"{file_name('common', sets.layer)}.png") for sets in leading
    ]
    return [*paths, draw_shared(found, folder / "common.png")] if found else paths


def _classes(report: ImportanceReport, lead: ScoreSet) -> tuple[list[ScoreSet], list[str]]:
    sets = report.by_class(lead.method, lead.data)
    return sets, [found.class_name for found in sets]


def _methods(report: ImportanceReport, lead: ScoreSet) -> tuple[list[ScoreSet], list[str]]:
    sets = [found for found in report.whole() if found.data == lead.data]
    return sets, [found.method for found in sets]
