"""Neurons x classes (or methods, or data sets): parts of a layer's relevance in one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.importance_results import ScoreSet
from pytest_deepimportance.plots.canvas import DIVERGING, SMALL, new_figure, plain, save, title

MOST_ROWS, MOST_COLUMNS = 40, 30
_LONGEST = 14


def draw_heatmap(
    sets: Sequence[ScoreSet], names: Sequence[str], layer: str, path: Path, *, of: str
) -> Path:
    """Draw the scores of a layer's neurons, one column for each set.

    A cell is the neuron's score divided by the sum of the absolute scores of its column, in per
    cent; red speaks for the target, blue against it.

    Args:
        names: Of the columns. of: What a column is ("class", "method").
    """
    values = 100 * np.stack([_parts(found.scores[layer]) for found in sets], axis=1)
    columns = list(range(min(len(sets), MOST_COLUMNS)))
    rows = leading_rows(values, MOST_ROWS)
    shown = values[np.ix_(rows, columns)]
    width = max(4.5, 1.9 + 0.34 * len(columns))
    angle = 0 if max(len(names[c]) for c in columns) <= 3 else 90
    figure = new_figure(width, 1.6 + 0.17 * len(rows) + (0.6 if angle else 0))
    axes = figure.add_subplot()
    limit = float(np.abs(shown).max()) or 1.0
    image = axes.imshow(shown, cmap=DIVERGING, vmin=-limit, vmax=limit, aspect="auto")
    axes.set_yticks(range(len(rows)), [str(row) for row in rows])
    axes.set_xticks(range(len(columns)), cut_all(names[: len(columns)]), rotation=angle)
    axes.set_ylabel("neuron", fontsize=SMALL)
    axes.set_xlabel(of, fontsize=SMALL)
    plain(axes)
    bar = figure.colorbar(image, ax=axes, shrink=0.8)
    bar.set_label(f"% of the layer's |relevance| of the {of}", fontsize=SMALL)
    bar.ax.tick_params(labelsize=SMALL)
    text = f"{layer}: {shown_of(len(rows), len(values), 'neurons', 'largest parts')}"
    if len(columns) < len(sets):
        text += f"; {shown_of(len(columns), len(sets), f'{of} columns', 'first ones')}"
    title(axes, text, inches=width - 1.6)
    return save(figure, path)


def leading_rows(values: NDArray[np.float64], most: int) -> list[int]:
    """Return the rows with the largest absolute value, ordered by their mean, largest first."""
    largest = np.abs(values).max(axis=1)
    chosen = np.argsort(-largest, kind="stable")[:most]
    return [int(row) for row in chosen[np.argsort(-values[chosen].mean(axis=1), kind="stable")]]


def shown_of(shown: int, whole: int, what: str, which: str) -> str:
    """Say how many are shown, which ones, and how many are not."""
    if shown == whole:
        return f"all {whole:,} {what}"
    return f"{shown:,} of {whole:,} {what} ({which}; {whole - shown:,} left out)"


def cut(name: str) -> str:
    """Return a name that fits beside an axis; both ends of a name tell it apart."""
    half = _LONGEST // 2
    return name if len(name) <= _LONGEST else f"{name[: half - 1]}…{name[-half:]}"


def cut_all(names: Sequence[str]) -> list[str]:
    """Return names that fit beside an axis; numbered where they would look alike."""
    short = [cut(name) for name in names]
    if len(set(short)) == len(short):
        return short
    return [f"{number}: {name[: _LONGEST - 5]}…" for number, name in enumerate(names)]


def _parts(scores: Sequence[float]) -> NDArray[np.float64]:
    values = np.asarray(scores, dtype=np.float64)
    total = np.abs(values).sum()
    return values / total if total > 0 else values
