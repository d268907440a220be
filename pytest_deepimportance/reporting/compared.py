"""What changed against an earlier run, for reports that are no screen: a table and sentences."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_deepimportance.comparison import Change, Comparison, Source
from pytest_deepimportance.formatting import clean, count, plural
from pytest_deepimportance.reporting import compare_table
from pytest_deepimportance.reporting.grids import Grid
from pytest_deepimportance.thresholds import IDC, SHARE

_SOURCES = 20
_TITLES = ("suite", "criterion", "before", "after", "change (ratios: points)", "gained", "lost")


def title(found: Comparison) -> str:
    """Return the heading: the run compared with, and when it was made."""
    return f"Against {clean(found.before.name)} of {found.before.created[:16].replace('T', ' ')}"


def grid(found: Comparison) -> Grid:
    """Return every criterion of every suite before and after, the total last."""
    ordered = sorted(found.changes, key=lambda change: change.suite == "TOTAL")
    rows = [row for change in ordered for row in _rows(change)]
    return Grid(_TITLES, tuple(rows))


def _rows(change: Change) -> list[tuple[str, ...]]:
    items = ["-" if number is None else count(number) for number in (change.gained, change.lost)]
    rows = [
        (
            clean(change.suite),
            clean(change.criterion),
            compare_table.pair(change.before, change.unit),
            compare_table.pair(change.after, change.unit),
            compare_table.signed(change.difference, change.unit),
            *items,
        )
    ]
    if change.criterion == IDC and (change.share_before or change.share_after):
        shares = [compare_table.pair(p, "ratio") for p in (change.share_before, change.share_after)]
        moved = compare_table.signed(change.share_difference, "ratio")
        rows.append((clean(change.suite), SHARE, *shares, moved, "-", "-"))
    return rows


def lines(found: Comparison) -> list[str]:
    """Say which neurons are the same, which tests gained and lost, and what limits the numbers."""
    parts = []
    if not found.same_profile and found.neurons_before:
        parts.append(
            f"{found.common_neurons} of the {len(found.neurons_after)} important neurons were "
            "important before"
        )
    parts += _sources("combinations gained by", found.gained_by)
    parts += _sources("combinations lost with", found.lost_with)
    return [*parts, *map(clean, found.notes)]


def _sources(label: str, sources: Sequence[Source]) -> list[str]:
    if not sources:
        return []
    named = ", ".join(f"{clean(s.nodeid)} ({count(s.items)})" for s in sources[:_SOURCES])
    more = len(sources) - _SOURCES
    rest = f" and {plural(more, 'more test')}" if more > 0 else ""
    return [f"{label} {named}{rest}"]
