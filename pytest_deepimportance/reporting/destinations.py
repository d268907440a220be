"""Where reports go: `TYPE:PATH`, checked before anything runs."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pytest_deepimportance.errors import ReportError
from pytest_deepimportance.reporting.audit import folder

JSON, AUDIT = "json", "audit"
_FORMS = {JSON: "json:PATH, such as json:idc.json", AUDIT: "audit:DIR, such as audit:idc-audit"}


@dataclass(frozen=True)
class Destination:
    """One report to write.

    Attributes:
        kind: JSON or AUDIT.
        path: The file, or the folder.
    """

    kind: str
    path: Path

    def __str__(self) -> str:
        return f"{self.kind}:{self.path}"


def destinations(
    wanted: Iterable[str], option: str, kinds: Iterable[str] = (JSON, AUDIT)
) -> list[Destination]:
    """Return the reports asked for; folders are looked at, nothing is written.

    Args:
        wanted: Texts such as "json:idc.json".
        option: The option's spelling, for the message.
        kinds: Those that can be written.

    Raises:
        ReportError: One of them has another form, or its folder holds something else.
    """
    kinds = tuple(kinds)
    found = []
    for text in wanted:
        kind, _, path = text.partition(":")
        if kind not in kinds or not path:
            forms = ", or ".join(_FORMS[kind] for kind in kinds)
            raise ReportError(f"{option}={text}: write {forms}")
        found.append(Destination(kind, Path(path)))
    for item in found:
        if item.kind == AUDIT:
            _check_folder(item, found, option)
    return found


def _check_folder(item: Destination, others: list[Destination], option: str) -> None:
    folder.check(item.path)
    own = Path(os.path.realpath(item.path))
    for other in others:
        place = Path(os.path.realpath(other.path))
        if other is not item and own in (place, *place.parents):
            raise ReportError(
                f"{option}={other} lies in the folder of {option}={item}",
                "An audit bundle has its folder to itself.",
                "Give it another place.",
            )
