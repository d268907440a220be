"""What stands beside coverage on the screen: how sure the predictions are, and thin ice."""

from __future__ import annotations

from fractions import Fraction

from pytest_deepimportance.companions import RarityRow, ThinIce
from pytest_deepimportance.formatting import count, percent, significant
from pytest_deepimportance.reporting.text import Paragraph, Section, pad
from pytest_deepimportance.results import SuiteResult

_COLUMN = 11


def outputs(suite: SuiteResult, *, verbose: bool) -> Section:
    """Say in one line how sure and how varied the predictions are; empty where none is known."""
    parts = _outputs(suite)
    line = Paragraph.labelled("outputs", "  ".join(parts), column=_COLUMN)
    shown = int(bool(parts))
    return Section(lambda _: [line], shown, shown if verbose else 0, rank=5)


def _outputs(suite: SuiteResult) -> list[str]:
    found = suite.companions
    parts = []
    if found is not None:
        numbers = (
            ("confidence", found.max_softmax),
            ("entropy", found.entropy),
            ("Gini", found.gini),
            ("impartiality", found.impartiality),
        )
        parts = [f"{name} {_short(value)}" for name, value in numbers if value is not None]
        if found.left_out and parts:
            parts.append(f"(no confidence: {found.left_out})")
    if 0 < suite.labelled < suite.inputs:
        accuracy = percent(Fraction(suite.correct, suite.labelled))
        parts.append(f"accuracy {accuracy} of {count(suite.labelled)} labelled")
    return parts


def _short(value: float) -> str:
    """Write a mean of numbers up to about 1: two decimals, or three digits where it is small."""
    return f"{value:.2f}" if value == 0 or value >= 0.1 else significant(value)


def thin_ice(suite: SuiteResult, *, verbose: bool) -> Section:
    """Say how errors depend on rarity, beside plain low confidence; nothing without an error."""
    found = suite.thin_ice
    if found is None or not found.errors:
        return Section(lambda _: [], 0, 0)
    if not verbose:
        line = Paragraph.labelled("thin ice", _in_short(found), column=_COLUMN)
        return Section(lambda _: [line], 1, 0, rank=4)
    lines = _table(found)
    return Section(lambda _: lines, 1, 1, rank=4, apart=True)


def _in_short(found: ThinIce) -> str:
    if not found.rare_inputs:
        rare = f"none has a rare combination (under {found.rare_below} reference inputs)"
        return f"wrong: {_of(found.errors, found.inputs)}; {rare}"
    others = _of(found.errors - found.rare_errors, found.inputs - found.rare_inputs)
    text = (
        f"wrong: {_of(found.rare_errors, found.rare_inputs)} with a rare combination "
        f"(under {found.rare_below} reference inputs), {others} others"
    )
    if found.unsure_errors is None:
        return text
    return f"{text}, {count(found.unsure_errors)} of the {count(found.rare_inputs)} least confident"


def _of(errors: int, inputs: int) -> str:
    rate = f" ({percent(Fraction(errors, inputs))})" if inputs else ""
    return f"{count(errors)} of {count(inputs)}{rate}"


def _table(found: ThinIce) -> list[Paragraph]:
    """Return a row for each cell that holds an input, under a header."""
    cells = [("reference inputs alike", "inputs", "wrong", "rate")]
    cells += [
        (_cell(row), count(row.inputs), count(row.errors), percent(_rate(row)))
        for row in found.rows
        if row.inputs
    ]
    widths = [max(len(line[at]) for line in cells) for at in range(4)]
    lines = [
        Paragraph.of(
            "  ".join(pad(text, widths[at], left=not at) for at, text in enumerate(line)),
            "" if number else "dim",
        )
        for number, line in enumerate(cells)
    ]
    return [*lines, Paragraph.labelled("thin ice", _in_short(found), column=_COLUMN)]


def _cell(row: RarityRow) -> str:
    if row.most is None:
        return f"{count(row.least)} or more"
    return "none" if not row.most else f"{count(row.least)}-{count(row.most)}"


def _rate(row: RarityRow) -> Fraction:
    return Fraction(row.errors, row.inputs)
