"""Where reports go: `TYPE:PATH`, checked before anything runs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pytest_deepimportance.errors import ReportError


def json_files(wanted: Iterable[str], option: str) -> list[Path]:
    """Return the JSON files asked for.

    Args:
        wanted: Texts such as "json:idc.json".
        option: The option's spelling, for the message.

    Raises:
        ReportError: One of them has another form.
    """
    paths = []
    for text in wanted:
        kind, _, path = text.partition(":")
        if kind != "json" or not path:
            raise ReportError(f"{option}={text}: write json:PATH, such as json:idc.json")
        paths.append(Path(path))
    return paths
