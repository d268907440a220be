"""Styled text before it is laid out: spans, and the width of characters in a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Paragraph:
    """Spans of text that belong together.

    Attributes:
        spans: (text, style) pairs; a style is a colour name with "bold" or "dim", or empty.
        indent: Columns by which continuation lines are indented.
        cut: Cut at the terminal's width instead of wrapping (rows of a table).
    """

    spans: tuple[tuple[str, str], ...]
    indent: int = 0
    cut: bool = False

    @property
    def plain(self) -> str:
        """The text without styles."""
        return "".join(text for text, _ in self.spans)

    @classmethod
    def of(cls, text: str, style: str = "", indent: int = 0) -> Paragraph:
        """Return a paragraph of one span."""
        return cls(((text, style),), indent)

    @classmethod
    def labelled(
        cls, label: str, text: str, style: str = "dim", *, column: int = 11, cut: bool = False
    ) -> Paragraph:
        """Return "label      text" with the text in its own column."""
        return cls(((label.ljust(column), style), (text, "")), column, cut)


@dataclass(frozen=True)
class Section:
    """One part of the screen.

    Attributes:
        build: Returns the paragraphs for a number of entries.
        most: Entries it has.
        least: Entries it keeps on a crowded screen.
        last: Entries it keeps when even that does not fit.
        rank: Sections of a lower rank give up entries first.
        apart: Whether a blank line goes before it.
    """

    build: Callable[[int], list[Paragraph]]
    most: int = 1
    least: int = 1
    rank: int = 0
    apart: bool = False
    last: int = 0


def cell_len(text: str) -> int:
    """Return how many columns `text` takes: two for wide, none for combining characters."""
    return len(text) if text.isascii() else sum(_columns(char) for char in text)


def _columns(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def pad(text: str, width: int, *, left: bool = False) -> str:
    """Fill `text` with spaces up to `width` columns."""
    space = " " * max(0, width - cell_len(text))
    return text + space if left else space + text


def shorten(text: str, width: int) -> str:
    """Cut `text` in the middle to at most `width` columns: both ends of a name tell it apart."""
    if cell_len(text) <= width:
        return text
    if width <= 3:
        return "." * max(width, 0)
    back = (width - 3) // 2
    front = width - 3 - back
    return _head(text, front) + "..." + _head(text[::-1], back)[::-1]


def _head(text: str, width: int) -> str:
    taken = 0
    for at, char in enumerate(text):
        taken += _columns(char)
        if taken > width:
            return text[:at]
    return text
