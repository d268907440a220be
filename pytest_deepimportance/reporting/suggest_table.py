"""What `deepimportance suggest` prints, and the CSV it writes."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from fractions import Fraction

from pytest_deepimportance.formatting import clean, count, percent, plural, significant
from pytest_deepimportance.reporting.layers_table import columns
from pytest_deepimportance.reporting.wrapping import wrapped
from pytest_deepimportance.suggestions import Strategy, Suggestion, Suggestions

_SHOWN = 10
COLUMNS = (
    "rank", "index", "new_items", "reference_rows", "max_softmax", "gini", "predicted", "label",
)  # fmt: skip


def render(found: Suggestions, class_names: Sequence[str] = ()) -> list[str]:
    """Return the lines: where the suite stands, the best inputs, other ways of choosing."""
    lines = [
        f"model      {clean(found.model)}",
        f"suite      {plural(found.suite_inputs, 'input')}: {_covered(found)}",
        f"pool       {clean(found.pool)}: {plural(found.pool_inputs, 'new input')}, which would "
        f"add {plural(found.addable, found.criterion + ' item')}",
        "",
        *columns(_table(found, class_names), right={0, 1, 2, 3, 4}),
    ]
    more = len(found.chosen) - _SHOWN
    if more > 0:
        lines.append(f"... and {count(more)} more (--out FILE.csv writes all)")
    number = plural(len(found.chosen), "input")
    lines += ["", f"what {number} chosen in other ways would bring", *_ways(found)]
    if found.errors is not None:
        rate = percent(Fraction(found.errors, found.labelled), unit=" %")
        which = (
            "all"
            if found.labelled == found.pool_inputs
            else f"the {count(found.labelled)} labelled"
        )
        lines.append(
            f"(of {which} new inputs of the pool {count(found.errors)}, {rate}, are wrong)"
        )
    for note in found.notes:
        lines += wrapped("note", clean(note))
    return lines


def _covered(found: Suggestions) -> str:
    if not found.total:
        return f"{count(found.covered)} {found.criterion} items covered"
    share = percent(Fraction(found.covered, found.total), unit=" %")
    return f"{found.criterion} {share} ({count(found.covered)} of {count(found.total)})"


def _table(found: Suggestions, class_names: Sequence[str]) -> list[tuple[str, ...]]:
    rows = [("rank", "row", "adds", "like it in reference", "max softmax", "predicted", "label")]
    for rank, item in enumerate(found.chosen[:_SHOWN], 1):
        rows.append(
            (
                str(rank),
                f"pool[{item.index}]",
                count(item.new_items),
                "-" if item.reference_rows is None else count(item.reference_rows),
                "-" if item.max_softmax is None else f"{item.max_softmax:.2f}",
                _class(item.predicted, class_names),
                _class(item.label, class_names),
            )
        )
    kept = [at for at in range(7) if at < 3 or any(row[at] != "-" for row in rows[1:])]
    return [tuple(row[at] for at in kept) for row in rows]


def _class(index: int | None, names: Sequence[str]) -> str:
    if index is None:
        return "-"
    return clean(names[index]) if index < len(names) else str(index)


def _ways(found: Suggestions) -> list[str]:
    rows = [("", "new items", "errors found")]
    rows += [(way.name, _new(way), _errors(way)) for way in found.strategies]
    if all(way.errors is None for way in found.strategies):
        rows = [row[:2] for row in rows]  # type: ignore[misc]
    return ["  " + line for line in columns(rows, right={1, 2})]


def _new(way: Strategy) -> str:
    if way.new_items_sd is None:
        return count(round(way.new_items))
    return f"{significant(way.new_items)} +- {significant(way.new_items_sd)}"


def _errors(way: Strategy) -> str:
    if way.errors is None:
        return "-"
    return significant(way.errors) if way.draws > 1 else count(round(way.errors))


def as_csv(found: Suggestions) -> str:
    """Return every suggestion as CSV, by rank; nothing where a number is not known."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for rank, item in enumerate(found.chosen, 1):
        writer.writerow([rank, *_cells(item)])
    return stream.getvalue()


def _cells(item: Suggestion) -> list[int | float | None]:
    return [
        item.index, item.new_items, item.reference_rows, item.max_softmax, item.gini,
        item.predicted, item.label,
    ]  # fmt: skip
