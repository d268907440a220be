"""The most important neurons of each layer as bars."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pytest_deepimportance.importance_results import ImportanceReport, RankedLayer
from pytest_deepimportance.plots.canvas import (
    BLUE,
    GREY,
    RED,
    SMALL,
    new_figure,
    plain,
    save,
    title,
)
from pytest_deepimportance.plots.heatmap import cut

MOST_BARS, COLUMNS = 15, 3


def draw_bars(report: ImportanceReport, layers: Sequence[RankedLayer], path: Path) -> Path:
    """Draw the top neurons of each layer; a bar is a part of the layer's absolute scores."""
    found = report.whole()[0]
    across = min(COLUMNS, len(layers))
    down = -(-len(layers) // across)
    most = min(MOST_BARS, max(report.m_of(layer) for layer in layers))
    width, height = max(4.5, 3.2 * across), down * (1.1 + 0.2 * most)
    figure = new_figure(width, height)
    shares = found.shares()
    for number, layer in enumerate(layers, start=1):
        axes = figure.add_subplot(down, across, number)
        whole = found.absolute(layer.name)
        top = found.top(layer.name, min(most, report.m_of(layer)))
        parts = [100 * found.scores[layer.name][n] / whole if whole else 0.0 for n in top]
        axes.barh(range(len(top)), parts, color=[RED if part >= 0 else BLUE for part in parts])
        axes.set_yticks(range(len(top)), [str(n) for n in top])
        axes.set_ylim(most - 0.5, -0.5)
        axes.axvline(0, color=GREY, linewidth=0.8)
        axes.set_xlabel("% of the layer's |relevance|", fontsize=SMALL)
        axes.set_ylabel("neuron", fontsize=SMALL)
        plain(axes)
        text = f"{layer.name}: {len(top)} of {layer.neurons:,} neurons"
        title(axes, text, inches=width / across - 0.5, size=SMALL + 1)
    text = f"Most important neurons by {found.method or 'the file'}"
    hidden = len(report.layers) - len(layers)
    if hidden:
        text += f"; {hidden} of {len(report.layers)} layers left out"
    largest = max(shares, key=lambda name: shares[name])
    text += f" (largest layer: {cut(largest)}, {100 * shares[largest]:.0f} % of all |relevance|)"
    figure.suptitle(
        "\n".join(_wrapped(text, int(width * 12))), fontsize=SMALL + 2, x=0.01, ha="left"
    )
    return save(figure, path)


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, width)
