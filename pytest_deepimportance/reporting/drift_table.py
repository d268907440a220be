"""What `deepimportance drift` prints."""

from __future__ import annotations

import textwrap
from fractions import Fraction

from pytest_deepimportance.drift_results import ChiSquare, DriftReport, DriftSpace
from pytest_deepimportance.formatting import clean, count, percent, plural, significant
from pytest_deepimportance.reporting.layers_table import columns
from pytest_deepimportance.reporting.wrapping import wrapped

_SMALLEST_P = 1e-6
_MEANING = (
    "A small p says that the new data show these combinations at other rates than the reference. "
    "It does not say that the model is wrong, nor how much the data differ: with many inputs the "
    "smallest difference is significant, and a model that knows its training data by heart sees a "
    "difference in honest test data too. Compare with a batch you trust."
)


def render(report: DriftReport) -> list[str]:
    """Return the lines: what was compared, the figures of each layer, thresholds, what it means."""
    lines = [
        f"model      {clean(report.model.spec)} {report.model.fingerprint[:8]}",
        f"reference  {plural(report.reference.usable, 'input')}",
        f"new data   {clean(report.data)}, {plural(report.inputs, 'input')}",
    ]
    for space in report.spaces:
        lines += ["", *_figures(space), "", *_classes(report, space)]
    lines += [""] if report.notes or report.gates else []
    for note in report.notes:
        lines += wrapped("note", clean(note))
    for gate in report.gates:
        word = {"failed": "FAIL", "ok": "ok"}.get(gate.status, "NOTE")
        lines += wrapped(word, gate.message)
    return [*lines, "", *textwrap.wrap(_MEANING, 80)]


def _figures(space: DriftSpace) -> list[str]:
    share = Fraction(space.exercised_rows, space.reference_rows)
    unknown = Fraction(space.unknown_inputs, space.inputs) if space.inputs else None
    usual = (
        "" if space.expected_share is None
        else f" (as many random ones: {percent(space.expected_share, unit=' %')})"
    )  # fmt: skip
    return [
        *wrapped(
            "layer",
            f"{clean(space.name)}, m = {space.m}: {count(space.reach)} of {count(space.total)} "
            "combinations occur in the reference",
        ),
        *wrapped(
            "share",
            f"{percent(share, unit=' %')} of the reference inputs behave as some new input does"
            + usual,
        ),
        *wrapped(
            "unknown",
            f"{plural(space.unknown_inputs, 'new input')} ({percent(unknown, unit=' %')}) with a "
            "combination the reference never shows (further inputs of its own kind: about "
            f"{percent(space.expected_unknown, unit=' %')})",
        ),
        *wrapped("chi-square", _chi_square(space.chi_square)),
    ]


def _chi_square(found: ChiSquare) -> str:
    if found.statistic is None or found.p is None:
        return f"not judged: {found.why}"
    p = f"p = {significant(found.p)}" if found.p >= _SMALLEST_P else "p < 1e-6"
    pooled = ""
    if found.pooled:
        pooled = f"; {plural(found.pooled, 'combination')} with few expected inputs pooled into one"
    degrees = plural(found.dof, "degree")
    return f"{significant(found.statistic)} with {degrees} of freedom, {p}{pooled}"


def _classes(report: DriftReport, space: DriftSpace) -> list[str]:
    if not space.classes:
        return ["no classes: the model's output holds no class scores"]
    reference = sum(row.reference_rows for row in space.classes)
    new = sum(row.inputs for row in space.classes)
    rows = [("class", "reference", "", "new data", "", "share", "unknown")]
    for row in space.classes:
        rows.append(
            (
                clean(row.name),
                count(row.reference_rows),
                _part(row.reference_rows, reference),
                count(row.inputs),
                _part(row.inputs, new),
                _part(row.exercised_rows, row.reference_rows),
                count(row.unknown_inputs),
            )
        )
    by = "label" if report.classes_from == "labels" else "prediction"
    return [
        *columns(rows, right={1, 2, 3, 4, 5, 6}),
        f"(reference by {by}, new data by prediction)",
    ]


def _part(part: int, whole: int) -> str:
    return percent(Fraction(part, whole) if whole else None, unit=" %")
