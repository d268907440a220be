"""What `deepimportance importance` prints: one screen."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_deepimportance.formatting import clean, count, listed, percent, plural
from pytest_deepimportance.importance_results import (
    ImportanceReport,
    RankedLayer,
    ScoreSet,
)
from pytest_deepimportance.reporting.importance_overlap import class_lines, overlap_lines
from pytest_deepimportance.reporting.layers_table import columns
from pytest_deepimportance.reporting.names import WHOLE, distinct
from pytest_deepimportance.reporting.text import shorten

WIDTH, WIDEST = 80, 120
"""Columns of the tables: those of the terminal, within these bounds."""
_NAME, _LAYER = 18, 26
_LAYERS = 12
_LEAST_SPACE = 40
_CLASSES = 12
_LARGEST_IMBALANCE = 1e-3
"""Relevance unaccounted for above this share of the target is said."""


def render(
    report: ImportanceReport,
    following: Sequence[str] = (),
    *,
    fold: bool = True,
    width: int = WIDTH,
) -> list[str]:
    """Return the lines: what was computed, layers, classes, overlaps, notes, what to do next.

    Args:
        following: Commands to type next, each with what it is for.
        fold: Leave out what does not fit on a screen, and say so.
        width: Columns of the terminal.
    """
    page = Page(fold, min(max(width, WIDTH), WIDEST))
    lines = _head(report)
    shown = report.leading_layers(_LAYERS if fold else len(report.layers))
    for found in report.whole()[:1]:
        lines += ["", *_layers(report, found, shown, page)]
    lines += _classes(report, page)
    lines += overlap_lines(report, fold)
    loaded = report.model.notes if report.model is not None else ()
    notes = [*loaded, *report.notes, *_of_methods(report), *_small_layers(report)]
    lines += [""] if notes or report.left_out else []
    for item in report.left_out:
        lines += wrapped("left out", f"{clean(item.method)}: {clean(item.why)}")
    for note in dict.fromkeys(notes):
        lines += wrapped("note", clean(note))
    lines += [""] if following else []
    for number, text in enumerate(following):
        lines += wrapped("next" if not number else "", text)
    return lines


def _of_methods(report: ImportanceReport) -> list[str]:
    several = len({found.method for found in report.sets}) > 1
    return [
        f"{found.method}: {note}" if several else note
        for found in report.whole()
        for note in (*found.notes, *_silent(report, found), *_imbalance(found))
    ]


def _silent(report: ImportanceReport, found: ScoreSet) -> list[str]:
    """Name the layers whose neurons are not told apart, unless the method does so itself."""
    silent = [layer.name for layer in report.layers if found.silent(layer.name)]
    if not silent or any(note.startswith("all scores are 0") for note in found.notes):
        return []
    method = f" ({found.method})" if found.method else ""
    names = "every layer" if len(silent) == len(report.layers) else listed(silent, 4)
    return [f"all scores are 0{method} in {names}: no neuron there counts more than another"]


def _imbalance(found: ScoreSet) -> list[str]:
    if found.balance is None or found.balance <= _LARGEST_IMBALANCE:
        return []
    part = percent(found.balance, unit=" %")
    return [f"{part} of the target is unaccounted for, so the ranking may be off"]


def _small_layers(report: ImportanceReport) -> list[str]:
    m = report.m
    small = [] if m is None else [layer for layer in report.layers if layer.neurons < m]
    if not small:
        return []
    names = listed([f"{layer.name} ({count(layer.neurons)})" for layer in small], 4)
    return [f"m = {m} is more than the neurons of {names}: all of them count there"]


def wrapped(label: str, text: str) -> list[str]:
    """Return `text` in lines beside its label."""
    return textwrap.wrap(
        text, WIDTH, initial_indent=f"{label:<11}", subsequent_indent=" " * 11,
        break_on_hyphens=False,
    )  # fmt: skip


def _head(report: ImportanceReport) -> list[str]:
    lines = []
    if report.model is not None:
        model = report.model
        lines += wrapped(
            "model",
            f"{clean(model.spec)} {model.fingerprint[:8]} ({clean(model.type)}, "
            f"{plural(model.parameters, 'parameter')})",
        )
    for row in report.data:
        counted = f"{count(row.used)} of {plural(row.rows, 'input')}"
        lines += wrapped(
            "reference" if row.name == "reference" else "inputs",
            ("" if row.name == "reference" else f"{clean(row.name)}: ")
            + f"{clean(row.descriptor)}, {counted} ({row.which})",
        )
    lead = [found for found in report.whole() if found.data == report.whole()[0].data]
    for found in lead[:1]:
        lines += wrapped("method", _method(found))
    if len(lead) > 1:
        others = ", ".join(found.method for found in lead[1:])
        lines += wrapped("", f"compared with {others}; the layers below are by {lead[0].method}")
    return lines


def _method(found: ScoreSet) -> str:
    text = found.method or "not named in the file"
    text += f" {found.rule}" if found.rule else ""
    if found.target:
        text += f", from the {_TARGETS.get(found.target, f'score of class {found.target}')}"
    if found.balance is not None:
        text += f", balance {found.balance:.1e}"
    if found.input_share is not None:
        text += f", explained by the input {100 * found.input_share:.1f} %"
    return text


_TARGETS = {"predicted": "predicted class's score", "label": "true class's score"}


def _layers(
    report: ImportanceReport, found: ScoreSet, shown: Sequence[RankedLayer], page: Page
) -> list[str]:
    shares = found.shares()
    names = page.names(shown, _LAYER + (page.width - WIDTH) // 2)
    rows = [
        (
            names[layer.name] + (" *" if layer.default else ""),
            count(layer.neurons),
            percent(shares[layer.name], 0, " %"),
            "-" if found.silent(layer.name) else count(found.half(layer.name)),
        )
        for layer in shown
    ]
    head = ("layer", "neurons", "share", "half in")
    table = columns([head, *rows], right={1, 2, 3})
    space = page.width - max(map(len, table)) - 2
    title = "most important (part of layer)"
    last = [[title if len(title) <= space else "most important"]]
    last += [page.cells(found, layer.name, report.m_of(layer), space) for layer in shown]
    lines = beside(table, last)
    hidden = len(report.layers) - len(shown)
    more = [f"... and {plural(hidden, 'layer')} with a smaller share (-v)"] if hidden else []
    cut = any(names[layer.name] != clean(layer.name) for layer in shown)
    default = any(layer.default for layer in shown)
    return [
        *lines,
        *more,
        *(["... in front of a name: cut there (-v shows it whole)"] if cut else []),
        *(["* the layer that IDC measures by default"] if default else []),
    ]


def beside(table: Sequence[str], texts: Sequence[Sequence[str]]) -> list[str]:
    """Put lines beside each row of a table."""
    width = max(map(len, table))
    return [
        f"{row if not number else '':<{width}}  {text}".rstrip()
        for row, lines in zip(table, texts, strict=True)
        for number, text in enumerate(lines)
    ]


def fitting(found: ScoreSet, layer: str, m: int, space: int) -> str:
    """Return the m most important neurons with their parts, as many as fit in `space` columns."""
    cells = _cells(found, layer, m)
    text = ""
    for number, cell in enumerate(cells):
        rest = len(cells) - number - 1
        more = f"  +{rest}" if rest else ""
        longer = f"{text}  {cell}" if text else cell
        if len(longer) + len(more) > space:
            return f"{text}  +{rest + 1}" if text else ""
        text = longer
    return text


def _cells(found: ScoreSet, layer: str, m: int) -> list[str]:
    """Return the m most important neurons with their parts."""
    if found.silent(layer):
        return ["all 0"]
    whole, scores = found.absolute(layer), found.scores[layer]
    return [f"{n} ({percent(scores[n] / whole, 0)})" for n in found.top(layer, m)] or ["-"]


@dataclass(frozen=True)
class Page:
    """How the screen is laid out: folded or not, and how wide."""

    fold: bool
    width: int

    def names(self, layers: Sequence[RankedLayer], width: int) -> dict[str, str]:
        """Return the names of layers, in about `width` columns or in full."""
        return distinct([layer.name for layer in layers], width if self.fold else WHOLE)

    def cells(self, found: ScoreSet, layer: str, m: int, space: int) -> list[str]:
        """Return the most important neurons in one line, or all of them in as many as it takes."""
        if self.fold:
            return [fitting(found, layer, m, space)]
        lines = [""]
        for cell in _cells(found, layer, m):
            longer = f"{lines[-1]}  {cell}" if lines[-1] else cell
            if lines[-1] and len(longer) > max(space, _LEAST_SPACE):
                lines.append(cell)
            else:
                lines[-1] = longer
        return lines


def _classes(report: ImportanceReport, page: Page) -> list[str]:
    lines: list[str] = []
    for found in report.whole()[:1]:
        classes = report.by_class(found.method, found.data)
        for layer in _class_layers(report, page.fold) if classes else ():
            lines += ["", *_class_table(report, classes, layer, page)]
            lines += class_lines(report, found, layer)
    return lines


def _class_layers(report: ImportanceReport, fold: bool) -> Sequence[RankedLayer]:
    if not fold:
        return report.layers
    default = [layer for layer in report.layers if layer.default]
    return default or report.layers[-1:]


def _class_table(
    report: ImportanceReport, classes: Sequence[ScoreSet], layer: RankedLayer, page: Page
) -> list[str]:
    shown = classes[:_CLASSES] if page.fold else classes
    rows = [
        (shorten(clean(c.class_name), _NAME), "-" if c.rows is None else count(c.rows))
        for c in shown
    ]
    table = columns([("class", "inputs"), *rows], right={1})
    space = page.width - max(map(len, table)) - 2
    m = report.m_of(layer)
    name = page.names([layer], _LAYER)[layer.name]
    texts = [[f"{name}: the top {m} of {plural(layer.neurons, 'neuron')}"]]
    texts += [page.cells(c, layer.name, m, space) for c in shown]
    lines = beside(table, texts)
    hidden = len(classes) - len(shown)
    return [*lines, f"... and {plural(hidden, 'class', 'classes')} more (-v)"] if hidden else lines
