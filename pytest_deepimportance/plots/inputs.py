"""Inputs beside the relevance of their pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pytest_deepimportance.analysis.input_relevance import InputMap
from pytest_deepimportance.plots.canvas import DIVERGING, SMALL, new_figure, save
from pytest_deepimportance.plots.heatmap import cut

ACROSS = 5
_OUTLIERS = 99.5
"""Percentile of |relevance| at which the colours end."""


def draw_inputs(maps: Sequence[InputMap], path: Path) -> Path:
    """Draw each input above its relevance: red speaks for the target, blue against it.

    All maps have one scale: per cent of the sum of the input's absolute relevance, per pixel.
    """
    across = min(ACROSS, len(maps))
    down = -(-len(maps) // across)
    figure = new_figure(1.5 * across + 1.2, 3.3 * down + 0.5)
    grid = figure.subplots(2 * down, across, squeeze=False)
    sizes = np.concatenate([np.abs(item.relevance).ravel() for item in maps])
    limit = 100 * float(np.percentile(sizes, _OUTLIERS)) or 1.0
    image = None
    for axes in grid.ravel():
        axes.set_axis_off()
    for number, item in enumerate(maps):
        row, column = divmod(number, across)
        above, below = grid[2 * row, column], grid[2 * row + 1, column]
        above.imshow(item.image, cmap="gray", interpolation="nearest")
        above.set_title(_caption(item), fontsize=SMALL)
        image = below.imshow(
            100 * item.relevance, cmap=DIVERGING, vmin=-limit, vmax=limit, interpolation="nearest"
        )
    if image is not None:
        bar = figure.colorbar(image, ax=grid.ravel().tolist(), shrink=0.6, extend="both")
        bar.set_label("% of the input's |relevance|, per pixel", fontsize=SMALL)
        bar.ax.tick_params(labelsize=SMALL)
    return save(figure, path)


def _caption(item: InputMap) -> str:
    if not item.label:
        return f"row {item.row}: {cut(item.predicted)}"
    if item.label == item.predicted:
        return f"row {item.row}: {cut(item.label)}"
    return f"row {item.row}: {cut(item.label)}\nas {cut(item.predicted)}"
