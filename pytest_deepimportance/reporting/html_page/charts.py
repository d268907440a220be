"""Pictures of the page as SVG and as bars of HTML; every one has its numbers as text."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_deepimportance.exercise import GrowthPoint
from pytest_deepimportance.formatting import clean, count
from pytest_deepimportance.reporting.markup import Html, el, table

_WIDTH, _HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 16, 34, 48


class _Frame:
    """Turns inputs and covered items into places of the picture."""

    def __init__(self, inputs: int, items: int) -> None:
        self._inputs, self._items = max(inputs, 1), max(items, 1)

    def x(self, inputs: float) -> float:
        return round(_LEFT + inputs / self._inputs * (_WIDTH - _LEFT - _RIGHT), 1)

    def y(self, items: float) -> float:
        return round(_HEIGHT - _BOTTOM - items / self._items * (_HEIGHT - _TOP - _BOTTOM), 1)

    def path(self, points: Sequence[tuple[float, float]]) -> str:
        return " ".join(f"{self.x(x)},{self.y(y)}" for x, y in points)


def growth(points: Sequence[GrowthPoint], reach: int | None, total: int) -> Html:
    """Return the growth curve over the band of random suites, with reach as a line.

    Args:
        points: Of the total suite, ascending inputs; at least one.
        reach: Combinations that the reference reaches, or None.
        total: All combinations.
    """
    last = points[-1]
    highest = max([p.covered for p in points] + [p.high or 0 for p in points] + [reach or 0])
    frame = _Frame(last.inputs, round(highest * 1.06) + 1)
    known = [point for point in points if point.expected is not None]
    parts: list[Html] = [*_axes(frame, last.inputs, highest)]
    if len(known) > 1:
        band = [(p.inputs, p.high or 0) for p in known]
        band += [(p.inputs, p.low or 0) for p in reversed(known)]
        middle = [(p.inputs, p.expected or 0.0) for p in known]
        parts.append(el("polygon", class_="band", points=frame.path(band)))
        parts.append(el("polyline", class_="expected", points=frame.path(middle)))
    if reach is not None:
        parts += _line_at(frame, reach, last.inputs, f"reach {count(reach)}")
    parts.append(
        el(
            "polyline",
            class_="curve",
            points=frame.path([(0, 0), *((p.inputs, p.compared) for p in points)]),
        )
    )
    parts.append(
        el(
            "circle",
            class_="end",
            cx=str(frame.x(last.inputs)),
            cy=str(frame.y(last.compared)),
            r="4",
        )
    )
    said = f"{count(last.inputs)} inputs cover {count(last.covered)} of {count(total)} combinations"
    if last.compared < last.covered:
        said += f", {count(last.compared)} of them among those the reference reaches (the curve)"
    if last.expected is not None:
        said += (
            f"; as many random inputs cover {last.expected:,.0f} "
            f"({count(last.low or 0)} to {count(last.high or 0)})"
        )
    return el(
        "figure",
        el(
            "svg", *parts, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", role="img", aria_label=said,
            class_="growth",
        ),
        el(
            "figcaption",
            el("span", "your tests, in the order of their ids", class_="key curve-key"), " ",
            el("span", "random inputs (1-99 %)", class_="key band-key"), " ",
            el("span", said + ".", class_="said"),
        ),
        _as_table(points),
    )  # fmt: skip


def _axes(frame: _Frame, inputs: int, items: int) -> list[Html]:
    parts = []
    for number in _ticks(items):
        y = frame.y(number)
        parts.append(_segment("grid", _LEFT, y, _WIDTH - _RIGHT, y))
        parts.append(_label(_LEFT - 8, y + 4, count(number), "end"))
    for number in _ticks(inputs):
        parts.append(_label(frame.x(number), _HEIGHT - _BOTTOM + 20, count(number), "middle"))
    parts.append(_label(_LEFT, 16, "combinations covered", "start"))
    parts.append(_label(_WIDTH - _RIGHT, _HEIGHT - 6, "distinct inputs", "end"))
    return parts


def _ticks(most: int) -> list[int]:
    """Return up to five round numbers from 0 to `most`."""
    power = 10 ** max(len(str(most)) - 2, 0)
    step = next(n * power for n in (1, 2, 5, 10, 20, 50) if n * power * 5 >= most)
    return list(range(0, most + 1, step))


def _line_at(frame: _Frame, items: int, inputs: int, text: str) -> list[Html]:
    y = frame.y(items)
    return [
        _segment("reach", frame.x(0), y, frame.x(inputs), y),
        _label(_WIDTH - _RIGHT, y - 6, text, "end"),
    ]


def _segment(class_: str, x1: float, y1: float, x2: float, y2: float) -> Html:
    return el("line", class_=class_, x1=str(x1), y1=str(y1), x2=str(x2), y2=str(y2))


def _label(x: float, y: float, text: str, anchor: str) -> Html:
    return el("text", text, x=str(x), y=str(y), text_anchor=anchor)


def _as_table(points: Sequence[GrowthPoint]) -> Html:
    rows = [
        (
            count(point.inputs),
            count(point.covered),
            count(point.compared),
            "-" if point.expected is None else f"{point.expected:,.1f}",
            "-" if point.low is None else f"{count(point.low)}-{count(point.high or 0)}",
        )
        for point in points
    ]
    titles = (">inputs", ">covered", ">compared", ">random, mean", ">random, 1-99 %")
    return el("details", el("summary", "The curve as numbers"), table(titles, rows))


def bar(share: float | None) -> Html:
    """Return a bar for a share from 0 to 1; empty for None."""
    if share is None:
        return el("span", "", class_="bar")
    width = f"{min(max(share, 0.0), 1.0) * 100:.1f}%"
    return el("span", el("span", "", style=f"width:{width}"), class_="bar", aria_hidden="true")


def heat(share: float, label: str, *, missing: bool) -> Html:
    """Return a cell of a heat map; what the reference does and no input did is marked in words."""
    strength = f"--heat:{min(max(share, 0.0), 1.0):.3f}"
    if missing:
        return el("span", clean(label), el("span", " missing", class_="absent"), class_="cell gap")
    return el("span", clean(label), class_="cell", style=strength)
