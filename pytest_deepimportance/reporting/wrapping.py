"""A label and a sentence, wrapped beside it."""

from __future__ import annotations

import textwrap

_WIDTH, _COLUMN = 80, 11


def wrapped(label: str, text: str) -> list[str]:
    """Return `text` in lines of 80 columns beside its label."""
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=f"{label:<{_COLUMN}}",
        subsequent_indent=" " * _COLUMN,
        break_on_hyphens=False,
    )
