"""Thresholds as users write them: `[SUITE/]NAME[@LAYER][:CLASS]=VALUE`, read exactly."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, NoReturn

from pytest_deepimportance.errors import GateError, did_you_mean
from pytest_deepimportance.formatting import exact

IDC = "IDC"
SHARE = "share"
REACHED = "reached"
RANDOM: Literal["random"] = "random"
LOWEST = "*"

MEASURED: Mapping[str, str] = {
    IDC: "ratio",
    "NC": "ratio",
    "KMNC": "ratio",
    "NBC": "ratio",
    "SNAC": "ratio",
    "TKNC": "ratio",
    "TKNP": "count",
    "CC": "count",
    "LSC": "ratio",
    "DSC": "ratio",
    "MDSC": "ratio",
    "NLC": "float",
}
"""Our own criteria and their units, in the order in which they are shown.

Listed here so that thresholds can be checked before torch is imported; a test compares them with
the registry.
"""

_DERIVED = (SHARE, REACHED)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_REASON = re.compile(r"\s+#(?:\s+(.*))?$", re.DOTALL)
_OPERATOR = re.compile(r"(.*?[^\s<>=≤≥])\s*(>=|=>|==|=<|<=|[<>≥≤:\s])\s*([0-9.,]+\s*%?|random)")
_THOUSANDS = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+")
_EXAMPLES = {"ratio": "0.6", "count": "300", "float": "1.5"}
_LEAST_PERCENTAGE = 2
_LONGEST = 40
_PLACES = 30


@dataclass(frozen=True)
class Threshold:
    """One threshold.

    Attributes:
        name: A criterion in its registry spelling, "share" or "reached".
        value: The exact bound, or "random" (covered must not be below the 1st percentile of random
            suites of the same size).
        suite: Suite it is for, None for the total of all suites.
        layer: Layer name after "@", or None.
        label: Class name or index after ":", "*" for the lowest class, or None.
        text: `NAME[@LAYER][:CLASS]=VALUE`, the value as the user typed it.
        reason: Why it was set, if the user said so after " # ".
        origin: Where it was written.
    """

    name: str
    value: Fraction | Literal["random"]
    suite: str | None = None
    layer: str | None = None
    label: str | None = None
    text: str = ""
    reason: str = ""
    origin: str = ""

    @property
    def subject(self) -> str:
        """What is compared, in the spelling of thresholds: `clean/IDC@fc2:7`."""
        return (f"{self.suite}/" if self.suite else "") + _selector(
            self.name, self.layer, self.label
        )


def parse_threshold(
    text: object,
    origin: str = "",
    suite: str | None = None,
    *,
    criteria: Mapping[str, str] = MEASURED,
    reason: str = "",
) -> Threshold:
    """Read one threshold from its text (or a plain number, meaning IDC).

    Args:
        text: `[SUITE/]NAME[@LAYER][:CLASS]=VALUE`, `VALUE` or `random`, optionally followed by
            ` # reason`. Numbers are read from their decimal text, so 0.1 is exactly 1/10.
        origin: Where it was written, for messages.
        suite: The suite it is for when the text names none (a marker's suite).
        criteria: Unit ("ratio", "count", "float") of each criterion that can be measured.
        reason: Why it was set, when the text says nothing.

    Raises:
        GateError: The text is malformed, names something unknown, or its value makes no sense.
    """
    whole = "" if isinstance(text, bool) or text is None else str(text).strip()
    found = _REASON.search(whole)
    body = whole[: found.start()].rstrip() if found else whole
    if found and found[1]:
        reason = found[1].strip()
    place = f"threshold {body or str(text)!r}" + (f" ({origin})" if origin else "")
    _refuse_operator(body, place, criteria)
    head, equals, typed = body.rpartition("=")
    head, typed = head.strip(), typed.strip()
    if not equals:
        _refuse_name_alone(typed, place, criteria)
        head = IDC
    named, name, layer, label = _address(head, place, criteria)
    if named is not None and suite is not None and named != suite:
        raise GateError(
            f"{place} is for suite {named!r} but was set on suite {suite!r}",
            fix=f"Write {_selector(name, layer, label)}={typed}, or move it to the ini file.",
        )
    value = _value(typed, name, criteria.get(name, "ratio"), place)
    return Threshold(
        name, value, named if named is not None else suite, layer, label,
        text=f"{_selector(name, layer, label)}={typed.lower() if value == RANDOM else typed}",
        reason=reason, origin=origin,
    )  # fmt: skip


def _selector(name: str, layer: str | None, label: str | None) -> str:
    at = f"@{layer}" if layer is not None else ""
    return f"{name}{at}{':' + label if label is not None else ''}"


def _refuse_operator(body: str, place: str, criteria: Mapping[str, str]) -> None:
    """Tell another sign between name and value (`NC>0.5`, `NC 0.5`) from an unknown name."""
    found = _OPERATOR.fullmatch(body)
    if found is None or (found[2] == ":" and "." not in found[3]):
        return
    try:
        _, name, layer, label = _address(found[1], place, criteria)
    except GateError:
        return  # a name that holds the sign, or one that does not exist: refused as such
    subject = found[1].rpartition("/")[0] + "/" * ("/" in found[1]) + _selector(name, layer, label)
    if found[2][0] in "<≤" or found[2] == "=<":
        raise GateError(
            f"{place} is an upper bound",
            "A threshold is the least that is accepted; there are no upper bounds.",
            f"Write {subject}=VALUE for a lower bound.",
        )
    raise GateError(
        f"{place} has {found[2].strip() or 'a space'} where = belongs",
        "NAME=VALUE asks for VALUE or more.",
        f"Write {subject}={found[3]}.",
    )


def _refuse_name_alone(typed: str, place: str, criteria: Mapping[str, str]) -> None:
    """Tell a forgotten value (`IDC`, `share`) from a bare value."""
    if not typed:
        raise GateError(f"{place} is empty", fix="Write a number such as 0.6, or NAME=VALUE.")
    if typed[0].isalpha() and typed.lower() not in (RANDOM, "nan", "inf", "infinity"):
        suite, slash, last = typed.rpartition("/")
        bare = slash and (last.lower() == RANDOM or _NUMBER.fullmatch(last))
        try:
            unit = criteria.get(_address(typed, place, criteria)[1], "ratio")
        except GateError:
            unit = "ratio"
        fix = f"Write {suite}/{IDC}={last}." if bare else f"Write {typed}={_EXAMPLES[unit]}."
        raise GateError(f"{place} has no value", fix=fix)


def _address(
    head: str, place: str, criteria: Mapping[str, str]
) -> tuple[str | None, str, str | None, str | None]:
    """Split `[SUITE/]NAME[@LAYER][:CLASS]`; the rightmost reading with a known name wins."""
    known = {name.lower(): name for name in (*criteria, *_DERIVED)}
    first: str | None = None
    for suite, rest, label in _splits(head):
        name, at, layer = rest.partition("@")
        first = name if first is None else first
        if name.strip().lower() not in known:
            continue
        for part, what in ((suite, "suite"), (layer if at else None, "layer"), (label, "class")):
            if part is not None and not part.strip():
                raise GateError(
                    f"{place} has an empty {what}",
                    fix="The form is [SUITE/]NAME[@LAYER][:CLASS]=VALUE.",
                )
        return (
            suite.strip() if suite is not None else None,
            known[name.strip().lower()],
            layer.strip() if at else None,
            label.strip() if label is not None else None,
        )
    choices = ", ".join(known.values())
    unknown = (first or "").strip()
    raise GateError(
        f"{place}: there is no criterion {unknown!r}" if unknown else f"{place} names no criterion",
        fix=did_you_mean(unknown, known.values()) or f"Names: {choices}.",
    )


def _splits(head: str) -> Iterator[tuple[str | None, str, str | None]]:
    """Yield (suite, NAME[@LAYER], class) readings, the ones split furthest right first."""
    colons = [at for at, char in enumerate(head) if char == ":"]
    for colon in (*reversed(colons), None):
        left, label = (head, None) if colon is None else (head[:colon], head[colon + 1 :])
        slashes = [at for at, char in enumerate(left) if char == "/"]
        for slash in (*reversed(slashes), None):
            if slash is None:
                yield None, left, label
            else:
                yield left[:slash], left[slash + 1 :], label


_NEVER_RANDOM = {
    SHARE: "the share counts reference inputs",
    REACHED: "IDC=random looks at the reached ones already",
    "CC": "what an input adds to CC depends on the inputs before it",
    "NLC": "NLC counts no items",
}


def _value(typed: str, name: str, unit: str, place: str) -> Fraction | Literal["random"]:
    if typed.lower() == RANDOM:
        if name in _NEVER_RANDOM:
            raise GateError(
                f"{place}: random does not judge {name}",
                "It compares covered items with those of random suites of the same size; "
                f"{_NEVER_RANDOM[name]}.",
                f"Write IDC=random, or a number: {name}={_EXAMPLES[unit]}.",
            )
        return RANDOM
    ratio = unit == "ratio"
    percentage = ratio and typed.endswith("%")
    number = typed[:-1].rstrip() if percentage else typed.replace(",", ".")
    if unit == "count" and _THOUSANDS.fullmatch(typed):
        number = typed.replace(",", "")
    if _NUMBER.fullmatch(number) is None or len(number) > _LONGEST:
        _refuse_no_number(typed, name, unit, place)
    value = Fraction(number)
    if "," in typed:
        raise GateError(f"{place}: {typed!r} is not a number", fix=f"Write {number}.")
    if value < 0:
        raise GateError(f"{place}: {typed} is negative", fix="Write 0 or more.")
    if percentage or (ratio and value > 1):
        what = "is a percentage" if percentage else "is above 1"
        # 1.5 may be a slip of the point as well as 1.5 %: no guess then.
        meant = value <= 100 and (percentage or value >= _LEAST_PERCENTAGE)
        raise GateError(
            f"{place}: {typed} {what}",
            "Ratios are given as fractions from 0 to 1.",
            f"Write {exact(value / 100)} for {number} %."
            if meant
            else "Write a number from 0 to 1, such as 0.6 for 60 %.",
        )
    if 10**_PLACES % value.denominator:
        raise GateError(
            f"{place}: {typed} has more than {_PLACES} decimals", fix="Write fewer decimals."
        )
    return value


def _refuse_no_number(typed: str, name: str, unit: str, place: str) -> NoReturn:
    what = f"{typed!r} is not a number"
    if typed.endswith("%"):
        what += f", and {name} is no ratio"
    example = f"Write a number such as {_EXAMPLES[unit]}"
    raise GateError(
        f"{place}: {what}" if typed else f"{place} has no value",
        fix=example + ("." if name in _NEVER_RANDOM else ", or random."),
    )
