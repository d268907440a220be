"""What `deepimportance compare` and `--idc-compare` print."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from pytest_deepimportance.comparison import Change, Comparison, Side
from pytest_deepimportance.formatting import amount, clean, count, decimal, percent, plural
from pytest_deepimportance.reporting.layers_table import columns
from pytest_deepimportance.reporting.text import shorten
from pytest_deepimportance.reporting.wrapping import wrapped
from pytest_deepimportance.results import GateOutcome
from pytest_deepimportance.thresholds import IDC

_SOURCES = 5
_NAME = 30


def render(found: Comparison, gates: Sequence[GateOutcome] = ()) -> list[str]:
    """Return the lines: the two runs, every suite, other criteria, who gained, thresholds."""
    lines = [*_side("before", found.before), *_side("after", found.after)]
    lines += wrapped("model", f"{clean(found.after.spec)} {found.after.model[:8]}, {_same(found)}")
    if found.neurons_before and not found.same_profile:
        lines += wrapped(
            "neurons",
            f"{found.common_neurons} of the {len(found.neurons_after)} important neurons were "
            f"important before",
        )
    lines += ["", *_suites(found)]
    others = [_other(c) for c in found.changes if c.suite == "TOTAL" and c.criterion != IDC]
    if others:
        lines += wrapped("also", ", ".join(others))
    for label, sources in (("gained by", found.gained_by), ("lost with", found.lost_with)):
        if sources:
            named = [f"{clean(s.nodeid)} ({count(s.items)})" for s in sources[:_SOURCES]]
            more = len(sources) - _SOURCES
            said = ", ".join(named) + (f" and {plural(more, 'more test')}" if more > 0 else "")
            lines += wrapped(label, said)
    for note in found.notes:
        lines += wrapped("note", clean(note))
    for gate in gates:
        word = {"failed": "FAIL", "ok": "ok"}.get(gate.status, "NOTE")
        lines += wrapped(word, gate.message)
    return lines


def headline(found: Comparison) -> str:
    """Say the change of the total in one line: "IDC 43.8 % -> 45.8 % (+2.1), share ..."."""
    change = found.change("TOTAL", IDC) or next(iter(found.changes), None)
    if change is None:
        return "nothing to compare"
    text = f"{clean(change.criterion)} {pair(change.before, change.unit)} -> "
    text += f"{pair(change.after, change.unit)} ({signed(change.difference, change.unit)})"
    if change.share_difference is not None:
        text += f", share {signed(change.share_difference, 'ratio')}"
    if change.gained is not None:
        text += f", {count(change.gained)} gained, {count(change.lost or 0)} lost"
    return text


def signed(difference: Fraction | None, unit: str) -> str:
    """Write a difference with its sign: in percentage points of a ratio, else as a number."""
    if difference is None:
        return "-"
    value = difference * 100 if unit == "ratio" else difference
    places = 0 if unit == "count" else 1
    text = decimal(abs(value), places)
    if value and not Fraction(text):
        text = f"<{decimal(Fraction(1, 10**places), places)}"
    return ("+" if value > 0 else "-" if value < 0 else "") + text


def _side(label: str, side: Side) -> list[str]:
    made = side.created[:16].replace("T", " ")
    part = "" if side.complete else ", not all of its tests"
    said = f"{clean(side.name)}, {made}: {plural(side.inputs, 'input')}"
    return wrapped(label, f"{said} of {plural(side.tests, 'test')}{part}")


def _same(found: Comparison) -> str:
    if found.same_profile:
        return "same model and profile"
    return "same model" if found.same_model else f"before {found.before.model[:8]}"


def _suites(found: Comparison) -> list[str]:
    head = ("suite", "IDC before", "after", "points", "gained", "lost", "share points")
    changes = [c for c in found.changes if c.criterion == IDC] or list(found.changes[:1])
    ordered = [*(c for c in changes if c.suite != "TOTAL"), *changes[:1]]
    rows = [_row(change) for change in dict.fromkeys(ordered)]
    if changes and changes[0].criterion != IDC:
        head = (head[0], f"{clean(changes[0].criterion)} before", *head[2:])
    return columns([head, *rows], right=set(range(1, len(head))))


def _row(change: Change) -> tuple[str, ...]:
    new = change.before is None and change.after is not None
    gone = change.after is None and change.before is not None
    name = shorten(clean(change.suite), _NAME) + (" (new)" if new else " (gone)" if gone else "")
    return (
        name,
        pair(change.before, change.unit),
        pair(change.after, change.unit),
        signed(change.difference, change.unit),
        "-" if change.gained is None else count(change.gained),
        "-" if change.lost is None else count(change.lost),
        signed(change.share_difference, "ratio"),
    )


def pair(found: tuple[int | float, int] | None, unit: str) -> str:
    """Write (covered, total) as a percentage, of other units than ratios what is covered."""
    if found is None:
        return "-"
    if unit != "ratio":
        return amount(found[0])
    return percent(Fraction(found[0]) / found[1] if found[1] else None, unit=" %")


def _other(change: Change) -> str:
    text = f"{clean(change.criterion)} {signed(change.difference, change.unit)}"
    if change.gained:
        text += f" ({count(change.gained)} gained"
        text += f", {count(change.lost)} lost)" if change.lost else ")"
    elif change.lost:
        text += f" ({count(change.lost)} lost)"
    return text
