"""What `deepimportance selector` prints."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence

from pytest_deepimportance.formatting import clean, count, percent, plural, significant
from pytest_deepimportance.reporting.layers_table import columns
from pytest_deepimportance.reporting.text import shorten
from pytest_deepimportance.selector_results import Estimate, SelectorReport

_NAME = 24
_MEANING = {
    "better": "Better than always choosing {winner}, on inputs it has not seen.",
    "worse": "Worse than always choosing {winner}: do not use it.",
    "no better": "Not shown to be better than always choosing {winner}: use {winner}.",
}


def render(report: SelectorReport, model: str = "") -> list[str]:
    """Return the lines: what was learned, the table of methods, the verdict on held-out inputs."""
    lines = [f"model      {clean(model)} {report.fingerprint[:8]}"] if model else []
    lines += _wrapped(
        "rows", f"{plural(report.rows, 'row')} of {plural(report.inputs, 'input')}"
        + (f" and {plural(len(report.layers), 'layer')}" if report.layers else "")
        + f"; in {count(report.abstained)} no method has a gain (left out), in "
        f"{count(report.tied)} several win alike",
    )  # fmt: skip
    lines += _wrapped(
        "selector", f"{report.kind}, {plural(report.features, 'feature')}, fitted on "
        f"{plural(report.fitted_rows, 'row')}; held out: {plural(report.held_rows, 'row')} of "
        f"{plural(report.held_inputs, 'input')} (seed {report.seed})",
    )  # fmt: skip
    lines += ["", *_methods(report), "", *_judged(report), ""]
    lines += _verdict(report)
    for note in report.notes:
        lines += _wrapped("note", clean(note))
    return lines


def _methods(report: SelectorReport) -> list[str]:
    whole = [row for row in report.scores if not row.layer]
    rows = [("method", "mean gain", "variance", "wins", "")]
    for row in whole:
        rows.append(
            (
                shorten(clean(row.method), _NAME),
                significant(row.mean),
                significant(row.variance),
                count(row.wins),
                percent(row.wins / row.rows if row.rows else None, 0, " %"),
            )
        )
    more = ["(by layer: in the JSON file)"] if len(report.scores) > len(whole) else []
    return [*columns(rows, right={1, 2, 3, 4}), *more]


def _judged(report: SelectorReport) -> list[str]:
    rows = [
        ("on held-out rows", "right", "95 % interval", "mean gain"),
        ("selector", *_part(report.accuracy), significant(report.gain)),
        (
            f"always {shorten(clean(report.winner), _NAME)}",
            *_part(report.baseline),
            significant(report.gain_of_winner),
        ),
        *([("winner of the class", *_part(report.by_class), "")] if report.by_class else []),
        ("best for each row", "100 %", "", significant(report.gain_of_best)),
    ]
    difference, gain = report.difference, report.gain_difference
    said = (
        f"ahead of always {clean(report.winner)}: {_signed(difference.value)} points "
        f"({_signed(difference.low)} to {_signed(difference.high)}), "
        f"mean gain {gain.value:+.3g} ({gain.low:+.3g} to {gain.high:+.3g})"
    )
    if report.beyond_class:
        ahead = report.beyond_class
        said += (
            f"; of the winner of the predicted class: {_signed(ahead.value)} points "
            f"({_signed(ahead.low)} to {_signed(ahead.high)})"
        )
    return [
        *columns(rows, right={1, 3}),
        *textwrap.wrap(said, 80, break_on_hyphens=False),
    ]


def _part(found: Estimate) -> tuple[str, str]:
    return (
        percent(found.value, 1, " %"),
        f"{percent(found.low, 1, '', bare=True)} to {percent(found.high, 1, ' %', bare=True)}",
    )


def _signed(value: float) -> str:
    return f"{100 * value:+.1f}"


def choices(report: SelectorReport, chosen: Sequence[str], described: str) -> list[str]:
    """Return the lines of a prediction: how often each method would be chosen."""
    numbers = Counter(chosen)
    rows = [("method", "inputs", "")]
    for method in report.methods:
        part = percent(numbers[method] / len(chosen), 0, " %")
        rows.append((shorten(clean(method), _NAME), count(numbers[method]), part))
    lines = [f"inputs     {clean(described)}, {plural(len(chosen), 'input')}", ""]
    lines += columns(rows, right={1, 2})
    if report.verdict != "better":
        lines += ["", *_verdict(report)]
    return lines


def _wrapped(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        text, 80, initial_indent=f"{label:<11}", subsequent_indent=" " * 11, break_on_hyphens=False
    )


def _verdict(report: SelectorReport) -> list[str]:
    text = _MEANING[report.verdict].format(winner=clean(report.winner))
    if report.verdict == "better" and report.beyond_class and report.beyond_class.low <= 0:
        text += " Not shown to know more than the predicted class tells."
    return textwrap.wrap(text, 80, break_on_hyphens=False)
