"""The table of `deepimportance layers`."""

from __future__ import annotations

from collections.abc import Sequence

HEAD = ("layer", "type", "neurons", "read", "")


def render(
    rows: Sequence[tuple[str, ...]],
    left_out: Sequence[tuple[str, str, str]],
    notes: Sequence[str],
) -> str:
    """Return the table: measured layers with an index each, what is left out and why, notes.

    Args:
        rows: Name, type, neurons, where it is read, remark.
        left_out: Name, type, reason.
    """
    lines = columns(
        [("", *HEAD)] + [(str(number), *row) for number, row in enumerate(rows)], right={0, 3}
    )
    if left_out:
        lines += ["", "not measured"]
        lines += ["  " + line for line in columns([*left_out], right=set())]
    lines += [""] + [note for note in notes if note] if notes else []
    return "\n".join(lines)


def columns(rows: Sequence[Sequence[str]], right: set[int]) -> list[str]:
    """Align text in columns two spaces apart; the columns in `right` are right-aligned."""
    if not rows:
        return []
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
