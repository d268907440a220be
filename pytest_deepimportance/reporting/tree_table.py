"""The tree of `deepimportance layers --tree`."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from pytest_deepimportance.formatting import clean, count, percent, plural
from pytest_deepimportance.reporting.layers_table import columns
from pytest_deepimportance.reporting.text import shorten
from pytest_deepimportance.tree_results import TreeRow

WIDTH, WIDEST = 80, 120
"""Columns of the table: those of the terminal, within these bounds."""
_NAME, _TYPE, _LEAST = 34, 20, 8


def render(rows: Sequence[TreeRow], notes: Sequence[str], width: int = WIDTH) -> str:
    """Return the table, one row a block, children indented; the last part of a name is shown.

    Args:
        width: Columns of the terminal.
    """
    width = min(max(width, WIDTH), WIDEST)
    scored = any(row.share is not None for row in rows)
    head = ("block", "type", "layers", "neurons", "parameters", *(("share",) if scored else ()))
    parents: list[str] = []
    table = [head]
    for row in rows:
        del parents[row.depth :]
        name = row.name
        if parents and parents[-1] and name.startswith(parents[-1] + "."):
            name = name[len(parents[-1]) + 1 :]
        parents.append(row.name)
        cells = (
            shorten("  " * row.depth + (clean(name) or "(model)"), _NAME),
            clean(row.type),
            count(row.layers),
            count(row.neurons),
            count(row.parameters),
        )
        table.append((*cells, *((_share(row.share),) if scored else ())))
    space = width - max(map(len, columns([_without_type(row) for row in table], right=set()))) - 2
    table = [(row[0], shorten(row[1], min(max(space, _LEAST), _TYPE)), *row[2:]) for row in table]
    lines = columns(table, right={2, 3, 4, 5})
    hidden = sum(row.folded for row in rows)
    if hidden:
        lines.append(f"... {plural(hidden, 'block')} below are folded in (--depth N)")
    wrapped = [line for note in notes for line in textwrap.wrap(note, width)]
    lines += ["", *wrapped] if wrapped else []
    return "\n".join(lines)


def _without_type(row: Sequence[str]) -> Sequence[str]:
    return (row[0], *row[2:])


def _share(share: float | None) -> str:
    return "-" if share is None else percent(share, unit=" %")
