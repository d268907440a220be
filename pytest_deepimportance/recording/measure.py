"""What a recorder reads in each pass, and where it goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pytest_deepimportance.models.sitemap import Site
from pytest_deepimportance.recording.pages import Pages
from pytest_deepimportance.recording.scores import Scores
from pytest_deepimportance.recording.strips import Strips


@dataclass(frozen=True)
class Measure:
    """What is read in each pass, and how it is reduced.

    Attributes:
        output: Turns the model's output into class scores, or None.
        scores: Takes in the class scores.
        pages: What small passes are written on.
        strips: What large passes leave is put there.
        images: Whether inputs that are images are kept, small.
    """

    sites: tuple[Site, ...]
    reduce: str
    tap: str
    output: Callable[[Any], Any] | None
    scores: Scores
    pages: Pages
    strips: Strips
    images: bool = False
