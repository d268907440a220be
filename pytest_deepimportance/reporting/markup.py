"""HTML from plain text: whatever is not marked as HTML is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from pytest_deepimportance.formatting import clean


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


Content = str | None | Sequence["Content"]
"""What an element may hold: text (escaped), HTML, nothing, or several of these."""

_ALONE = frozenset({"meta", "br", "input", "img"})


def el(tag: str, *content: Content, **attributes: str) -> Html:
    """Return an element; attributes are written like `class_="hash"`."""
    given = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{html.escape(value)}"'
        for name, value in attributes.items()
    )
    if tag in _ALONE:
        return Html(f"<{tag}{given}>")
    return Html(f"<{tag}{given}>{_flat(content)}</{tag}>")


def table(titles: Sequence[str], rows: Iterable[Sequence[Content]], class_: str = "") -> Html:
    """Return a table; titles that start with ">" stand over numbers, aligned to the right."""
    right = ["number" if title.startswith(">") else "" for title in titles]
    head = [
        _cell("th", title.removeprefix(">"), at) for title, at in zip(titles, right, strict=True)
    ]
    body = [
        el("tr", [_cell("td", cell, at) for cell, at in zip(row, right, strict=True)]) + "\n"
        for row in rows
    ]
    given = {"class_": class_} if class_ else {}
    return el("table", el("thead", el("tr", head)), el("tbody", Html("".join(body))), **given)


def pairs(rows: Iterable[tuple[str, Content]]) -> Html:
    """Return a table of names and values."""
    body = [Html(el("tr", el("th", name), el("td", value)) + "\n") for name, value in rows]
    return el("table", el("tbody", body), class_="pairs")


def bullets(items: Iterable[Content]) -> Html:
    """Return a list."""
    return el("ul", [Html(el("li", item) + "\n") for item in items])


def section(title: str, *content: Content) -> Html:
    """Return a section under a heading."""
    return Html("\n" + el("section", el("h2", title), "\n", *content) + "\n")


def digest(text: str) -> Html:
    """Return a hash, which may break anywhere."""
    return el("span", text or "none", class_="hash")


def verdict(text: str) -> Html:
    """Return a verdict, marked by its kind and always in words."""
    return el("span", text, class_="verdict " + _KINDS.get(text, "open"))


_KINDS = {
    "ok": "ok", "passed": "ok",
    "failed": "bad", "tests failed": "bad",
    "no threshold": "none", "skipped": "none",
}  # fmt: skip


def _cell(tag: str, content: Content, class_: str) -> Html:
    return el(tag, content, class_=class_) if class_ else el(tag, content)


def _flat(content: Content) -> str:
    if content is None:
        return ""
    if isinstance(content, Html):
        return content
    if isinstance(content, str):
        return content if content == "\n" else html.escape(clean(content))
    return "".join(map(_flat, content))
