"""Common neurons: which of the most important neurons of a class other classes use too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.importance_results import TopSets
from pytest_deepimportance.plots.canvas import (
    BLUE,
    GREY,
    SEQUENTIAL,
    SMALL,
    new_figure,
    plain,
    save,
    title,
)
from pytest_deepimportance.plots.heatmap import MOST_COLUMNS, MOST_ROWS, cut, cut_all, shown_of


def draw_members(sets: TopSets, path: Path) -> Path:
    """Draw which neurons stand in the top m of which class, the most common neuron first."""
    member, neurons = membership(sets)
    counts = member.sum(axis=1)
    order = np.lexsort((neurons, -counts))[:MOST_ROWS]
    names = list(sets.tops)[:MOST_COLUMNS]
    classes, m = len(sets.tops), max(map(len, sets.tops.values()))
    width = max(5.0, 2.2 + 0.3 * len(names))
    angle = 0 if max(map(len, names)) <= 3 else 90
    figure = new_figure(width, 1.6 + 0.17 * len(order) + (0.6 if angle else 0))
    axes, side = figure.subplots(1, 2, sharey=True, width_ratios=(len(names), 4))
    axes.imshow(
        member[order][:, : len(names)], cmap="Blues", vmin=0, vmax=1.3, aspect="auto",
        interpolation="nearest",
    )  # fmt: skip
    axes.set_yticks(range(len(order)), [str(neurons[row]) for row in order])
    axes.set_xticks(range(len(names)), cut_all(names), rotation=angle)
    axes.set_xticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(order) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1)
    axes.tick_params(which="minor", length=0)
    axes.set_xlabel("class", fontsize=SMALL)
    axes.set_ylabel("neuron", fontsize=SMALL)
    side.barh(range(len(order)), counts[order], color=BLUE)
    side.set_xlim(0, classes)
    side.set_xticks([classes])
    side.set_xlabel("in so many classes", fontsize=SMALL)
    side.tick_params(which="both", labelleft=False, length=0)
    for part in (axes, side):
        plain(part)
    side.axvline(classes, color=GREY, linewidth=0.8)
    shared, own = int((counts == classes).sum()), int((counts == 1).sum())
    which = shown_of(len(order), len(neurons), "neurons of some top", "most common")
    text = (
        f"{sets.layer}, top {m} of each class: {shared} neurons common to all {classes} classes, "
        f"{own} of one class only; shown: {which}"
    )
    if len(names) < classes:
        text += f"; {classes - len(names)} classes left out"
    title(axes, text, inches=width - 0.6)
    return save(figure, path)


def draw_shared(found: Sequence[TopSets], path: Path) -> Path:
    """Draw for each layer and class how many of its top m at least half of the classes share."""
    names = list(found[0].tops)[:MOST_COLUMNS]
    layers = found[:MOST_ROWS]
    shares = np.array([[_shared(sets, name) for name in names] for sets in layers])
    width = max(6.0, 2.6 + 0.42 * len(names))
    figure = new_figure(width, 1.7 + 0.28 * len(layers) + 0.6)
    axes = figure.add_subplot()
    image = axes.imshow(100 * shares, cmap=SEQUENTIAL, vmin=0, vmax=100, aspect="auto")
    angle = 0 if max(map(len, names)) <= 3 else 90
    axes.set_xticks(range(len(names)), cut_all(names), rotation=angle)
    axes.set_yticks(range(len(layers)), [_width(sets) for sets in layers])
    for (row, column), share in np.ndenumerate(shares):
        color = "black" if share > 0.55 else "white"
        axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=SMALL,
                  color=color)  # fmt: skip
    axes.set_xlabel("class", fontsize=SMALL)
    plain(axes)
    bar = figure.colorbar(image, ax=axes)
    bar.set_label("% of the class's top neurons", fontsize=SMALL)
    bar.ax.tick_params(labelsize=SMALL)
    hidden = len(found[0].tops) - len(names)
    text = "Most important neurons of a class that at least half of the classes share"
    text += f"; {hidden} classes left out" if hidden else ""
    text += f"; {len(found) - len(layers)} layers left out" if len(layers) < len(found) else ""
    title(axes, text, inches=width - 1.8)
    return save(figure, path)


def membership(sets: TopSets) -> tuple[NDArray[np.bool_], list[int]]:
    """Return (neurons, classes) membership, and the neurons that stand in some class's top m."""
    neurons = sorted({neuron for top in sets.tops.values() for neuron in top})
    at = {neuron: row for row, neuron in enumerate(neurons)}
    member = np.zeros((len(neurons), len(sets.tops)), dtype=bool)
    for column, top in enumerate(sets.tops.values()):
        member[[at[neuron] for neuron in top], column] = True
    return member, neurons


def _width(sets: TopSets) -> str:
    """Return a layer's name, with how many of its neurons a class's top is."""
    top = max(map(len, sets.tops.values()))
    return cut(sets.layer) + ("" if sets.neurons is None else f" ({top} of {sets.neurons:,})")


def _shared(sets: TopSets, name: str) -> float:
    """Return the part of a class's top m that at least half of the classes have in theirs."""
    own = sets.tops[name]
    half = len(sets.tops) / 2
    common = [n for n in own if sum(n in top for top in sets.tops.values()) >= half]
    return len(common) / len(own) if own else 0.0
