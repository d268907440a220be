"""Names of layers cut to the width of a table so that each still says which layer it is."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_deepimportance.formatting import clean
from pytest_deepimportance.reporting.text import cell_len, shorten

_MARK = "..."
WHOLE = 1 << 30
"""A width that no name has."""


def distinct(names: Iterable[str], width: int) -> dict[str, str]:
    """Return each name in about `width` columns: the front is cut, for the end tells layers apart.

    The width grows until no two names look alike.
    """
    full = {name: clean(name) for name in names}
    longest = max(map(cell_len, full.values()), default=0)
    for columns in range(width, longest):
        cut = {name: _end_of(text, columns) for name, text in full.items()}
        if len(set(cut.values())) == len(set(full.values())):
            return cut
    return full


def _end_of(name: str, width: int) -> str:
    """Return the last parts of a dotted name that fit, or both ends of a part that is too long."""
    if cell_len(name) <= width:
        return name
    parts = name.split(".")
    for first in range(1, len(parts)):
        end = _MARK + ".".join(parts[first:])
        if cell_len(end) <= width:
            return end
    return shorten(name, width)
