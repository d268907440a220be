"""The tree of `deepimportance layers --tree`."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_deepimportance.formatting import clean, count, percent, plural
from pytest_deepimportance.reporting.layers_table import columns
from pytest_deepimportance.reporting.text import shorten
from pytest_deepimportance.tree_results import TreeRow

_NAME, _TYPE = 34, 20


def render(rows: Sequence[TreeRow], notes: Sequence[str]) -> str:
    """Return the table, one row a block, children indented; the last part of a name is shown."""
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
            shorten(clean(row.type), _TYPE),
            count(row.layers),
            count(row.neurons),
            count(row.parameters),
        )
        table.append((*cells, *((_share(row.share),) if scored else ())))
    lines = columns(table, right={2, 3, 4, 5})
    hidden = sum(row.folded for row in rows)
    if hidden:
        lines.append(f"... {plural(hidden, 'block')} below are folded in (--depth N)")
    lines += [""] + [note for note in notes if note] if notes else []
    return "\n".join(lines)


def _share(share: float | None) -> str:
    return "-" if share is None else percent(share, unit=" %")
