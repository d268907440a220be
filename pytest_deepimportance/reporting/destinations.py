"""Where reports go: `TYPE[:DEST]`, checked before anything runs."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pytest_deepimportance.errors import ReportError
from pytest_deepimportance.reporting import replacing
from pytest_deepimportance.reporting.audit import folder

TERM, TERM_MISSING = "term", "term-missing"
JSON, MARKDOWN, GITHUB, JUNIT = "json", "markdown", "github", "junit"
CSV, LATEX, HTML, AUDIT = "csv", "latex", "html", "audit"

FORMS = {
    TERM: "term",
    TERM_MISSING: "term-missing",
    JSON: "json:PATH, such as json:idc.json",
    MARKDOWN: "markdown:PATH, such as markdown:idc.md",
    GITHUB: "github or github:PATH",
    JUNIT: "junit or junit:PATH",
    CSV: "csv:PATH, such as csv:idc.csv",
    LATEX: "latex:PATH, such as latex:idc.tex",
    HTML: "html:PATH, such as html:idc.html",
    AUDIT: "audit:DIR, such as audit:idc-audit",
}
"""How each type is written: with a place, without one, or either way."""

_ON_SCREEN = (TERM, TERM_MISSING)
_ALONE = (*_ON_SCREEN, GITHUB, JUNIT)
"""Types that have a place of their own."""

FILES = tuple(kind for kind in FORMS if kind not in _ON_SCREEN)
"""Types that can be written as files, with or without pytest."""


@dataclass(frozen=True)
class Destination:
    """One report to write.

    Attributes:
        kind: One of `FORMS`.
        path: The file, or the folder; None where the type has a place of its own.
    """

    kind: str
    path: Path | None = None

    def __str__(self) -> str:
        return self.kind if self.path is None else f"{self.kind}:{self.path}"

    @property
    def on_screen(self) -> bool:
        """Whether it is part of the screen at the end of the session."""
        return self.kind in _ON_SCREEN


def destinations(
    wanted: Iterable[str], option: str, kinds: Iterable[str] = tuple(FORMS)
) -> list[Destination]:
    """Return the reports asked for; folders are looked at, nothing is written.

    Args:
        wanted: Texts such as "json:idc.json".
        option: The option's spelling, for the message.
        kinds: Those that can be written.

    Raises:
        ReportError: One of them has another form, or its place holds something else or is that of
            another one.
    """
    found = list(dict.fromkeys(_parsed(text, option, tuple(kinds)) for text in wanted))
    for at, item in enumerate(found):
        if item.kind == AUDIT:
            _check_folder(item, found, option)
        elif item.path is not None:
            _check_file(item, found[:at], option)
    return found


def _parsed(text: str, option: str, kinds: tuple[str, ...]) -> Destination:
    kind, colon, path = text.partition(":")
    if kind not in kinds:
        raise ReportError(
            f"{option}={text}: there is no report type {kind!r} here",
            fix=f"Write {', or '.join(FORMS[name] for name in kinds)}",
        )
    nowhere = not path and (colon or kind not in _ALONE)
    if nowhere or (path and kind in _ON_SCREEN):
        needs = "nothing stands after the colon" if colon else f"{kind} needs a place"
        wrong = f"{kind} goes to the screen and takes no place" if path else needs
        raise ReportError(f"{option}={text}: {wrong}", fix=f"Write {FORMS[kind]}")
    if path and kind != AUDIT and Path(path).expanduser().is_dir():
        raise ReportError(
            f"{option}={text}: {path} is a folder, not a file",
            fix=f"Name a file in it: {FORMS[kind]}",
        )
    return Destination(kind, Path(path).expanduser() if path else None)


def _check_file(item: Destination, others: list[Destination], option: str) -> None:
    assert item.path is not None
    shown = f"{option}={item}"
    if item.kind == GITHUB:
        replacing.check_appending(item.path, shown)
    else:
        replacing.check(item.path, shown)
    place = os.path.realpath(item.path)
    for other in others:
        if other.path is not None and os.path.realpath(other.path) == place:
            raise ReportError(
                f"{option}={other} and {shown} are written to the same file",
                "Only the last one would be left.",
                "Give each a place of its own.",
            )


def _check_folder(item: Destination, others: list[Destination], option: str) -> None:
    assert item.path is not None
    folder.check(item.path)
    own = Path(os.path.realpath(item.path))
    for other in others:
        if other is item or other.path is None:
            continue
        place = Path(os.path.realpath(other.path))
        if own in (place, *place.parents):
            raise ReportError(
                f"{option}={other} lies in the folder of {option}={item}",
                "An audit bundle has its folder to itself.",
                "Give it another place.",
            )
