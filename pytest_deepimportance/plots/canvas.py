"""Making and saving figures: matplotlib without its global state, and what to say without it."""

from __future__ import annotations

import importlib.util
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_deepimportance.errors import ReportError, SettingsError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 100
DIVERGING = "RdBu_r"
"""Red above, blue below, white at 0: told apart by the colour-blind too."""
SEQUENTIAL = "cividis"
BLUE, RED, GREY = "#2166ac", "#b2182b", "#888888"
SMALL, NORMAL = 8, 10


def check_matplotlib() -> None:
    """Refuse to draw without matplotlib.

    Raises:
        SettingsError: It is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise SettingsError(
            "plots need matplotlib, which is not installed",
            "Everything else works without it.",
            "pip install 'pytest-deepimportance[plots]'",
        )


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of so many inches, outside of pyplot."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def title(axes: Any, text: str, *, inches: float, size: int = NORMAL) -> None:
    """Set a left-aligned title that is wrapped to the width of the axes."""
    characters = max(20, int(inches * 72 / (size * 0.55)))
    axes.set_title("\n".join(textwrap.wrap(text, characters)), loc="left", fontsize=size)


def plain(axes: Axes) -> None:
    """Take away the frame and the tick marks."""
    axes.tick_params(length=0, labelsize=SMALL)
    for spine in axes.spines.values():
        spine.set_visible(False)


def file_name(*parts: str) -> str:
    """Return a file name made of parts that may hold anything."""
    return "-".join(re.sub(r"[^A-Za-z0-9_.]+", "_", part).strip("_.") or "x" for part in parts)


def save(figure: Figure, path: Path) -> Path:
    """Write a PNG, the same bytes for the same figure, and return its path.

    Raises:
        ReportError: It cannot be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="png", metadata={"Software": None})
    except OSError as error:
        raise ReportError(
            f"{path} cannot be written: {error.strerror or error}",
            fix="Give a folder you may write to: --plots DIR",
        ) from error
    return path
