"""The section of inputs that opened new combinations, as pictures."""

from __future__ import annotations

import base64

from pytest_deepimportance.formatting import clean, count, plural, significant
from pytest_deepimportance.pictures import Picture
from pytest_deepimportance.reporting import grids
from pytest_deepimportance.reporting.html_page.sections import part
from pytest_deepimportance.reporting.markup import Html, el
from pytest_deepimportance.results import Report

_UNFOLDED = 12


def pictures(report: Report) -> Html | None:
    """Return the pictures, the first ones unfolded; nothing where none was kept."""
    if report.pictures is None or not report.pictures.shown:
        return None
    cards = [_card(picture) for picture in report.pictures.shown]
    rest = cards[_UNFOLDED:]
    return part(
        "Inputs that opened new combinations", "pictures",
        el("p", _said(report), class_="muted"),
        el("ul", cards[:_UNFOLDED], class_="pictures"),
        el("details", el("summary", f"{count(len(rest))} more"),
           el("ul", rest, class_="pictures")) if rest else None,
    )  # fmt: skip


def _said(report: Report) -> str:
    assert report.pictures is not None
    shown, opened = report.pictures.shown, report.pictures.opened
    number = f"{count(len(shown))} of {plural(opened, 'input')}, the first that"
    if len(shown) == opened:
        number = plural(opened, "input") + " that"
    text = (
        f"{number} showed a combination which no input before showed, in the order of the ids of "
        f"tests; the clusters are of {grids.important_neurons(report)}, and the reference inputs "
        "are those that show the same combination. Pictures are small copies."
    )
    if any(_stretched(picture) for picture in shown):
        text += (
            " Where values lie outside of 0 to 1, black and white are the smallest and the largest "
            "value of that image, so brightness does not compare between them."
        )
    return text


def _stretched(picture: Picture) -> bool:
    return (picture.low, picture.high) not in ((0, 1), (0, 255))


def _card(picture: Picture) -> Html:
    predicted = "no class" if picture.predicted is None else f"predicted {picture.predicted}"
    wrong = None not in (picture.label, picture.predicted) and picture.label != picture.predicted
    label = "" if picture.label is None else f"label {picture.label}" + " (wrong)" * wrong
    place = f"{picture.source}, row {count(picture.row)}"
    described = clean(f"{place}: {predicted}" + (f", {label}" if label else ""))
    return el(
        "li",
        el(
            "figure",
            el("img", src=_source(picture), class_="picture", loading="lazy", alt=described),
            el(
                "figcaption",
                el("strong", predicted),
                el("span", label, class_="absent" if wrong else "label") if label else None,
                el("span", "clusters " + " ".join(map(str, picture.combination))),
                el("span", _shared(picture.reference_rows)),
                el("span", place, class_="source"),
                el("span", _range(picture), class_="source") if _stretched(picture) else None,
            ),
        ),
    )


def _shared(reference_rows: int) -> str:
    if not reference_rows:
        return "no reference input"
    return f"{plural(reference_rows, 'reference input')} too"


def _range(picture: Picture) -> str:
    return f"black {significant(picture.low)}, white {significant(picture.high)}"


def _source(picture: Picture) -> str:
    return "data:image/png;base64," + base64.b64encode(picture.png).decode()
