"""Parsers for settings: each takes text or an already typed value, and raises ValueError."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from pathlib import PurePath
from typing import Any

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
NONE = "none"
"""The word for no entry at all in a list of lines."""

_COMMENT = re.compile(r"(?:^|\s+)#(?:\s.*)?$", re.DOTALL)
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


def text(value: Any) -> str:
    """Accept any non-empty text; numbers become text."""
    result = str(value).strip()
    if not result:
        raise ValueError("empty value")
    return result


def path_of_file(value: Any) -> str:
    """Accept the path of a file, as text or path."""
    if not isinstance(value, (str, PurePath)):
        raise ValueError(f"{type(value).__name__} is not the path of a file")
    return text(value)


def named(value: Any) -> str:
    """Accept text, or a function that can be imported again by its name."""
    if not callable(value):
        return text(value)
    module, name = getattr(value, "__module__", ""), getattr(value, "__qualname__", "<>")
    if not module or module == "__main__" or "<" in name:
        raise ValueError(
            f"a {type(value).__name__} that cannot be imported by name: put it into a module and "
            "give pkg.mod:callable"
        )
    return f"{module}:{name}"


def texts(value: Any) -> tuple[str, ...]:
    """Accept a sequence of texts, or one text separated by commas or lines."""
    parts = re.split(r"[,\n]", value) if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)):
        parts = [parts]
    return tuple(str(part).strip() for part in parts if str(part).strip())


def distinct_texts(value: Any) -> tuple[str, ...]:
    """Accept texts of which no two are alike."""
    found = texts(value)
    twice = next((text for text in found if found.count(text) > 1), None)
    if twice is not None:
        raise ValueError(f"{twice!r} is named twice")
    return found


def spelled(name: str, known: Iterable[str]) -> str:
    """Return which of `known` is meant, whatever the case; an unknown name as it is."""
    kept = list(known)
    by_case = {other.lower(): other for other in kept}
    return name if name in kept else by_case.get(name.lower(), name)


def names(*known: str) -> Callable[[Any], tuple[str, ...]]:
    """Accept names, at least one, those `known` in any case; others are kept as they are."""

    def parse(value: Any) -> tuple[str, ...]:
        found = tuple(spelled(name, known) for name in texts(value))
        if not found:
            raise ValueError(f"no name is given, such as {', '.join(known[:3])}")
        return found

    return parse


def lines(value: Any) -> tuple[str, ...]:
    """Accept a sequence of texts, or lines; commas belong to the text.

    A sequence may have no entry, but text, and each entry, must say something: an empty one is
    what a variable that nobody set leaves behind.
    """
    if isinstance(value, str):
        found = texts(value.splitlines())
        if not found:
            raise ValueError("empty value")
        return found
    parts = value if isinstance(value, (list, tuple)) else [value]
    return tuple(text(part) for part in parts)


def lines_or_none(value: Any) -> tuple[str, ...]:
    """Accept lines, or the one word none for no line at all."""
    found = lines(value)
    if all(line.lower() != NONE for line in found):
        return found
    if len(found) > 1:
        raise ValueError(f"{NONE} stands alone")
    return ()


def plain_lines(value: Any) -> tuple[str, ...]:
    """Accept lines or none, without the comments behind them (` # why`)."""
    return lines_or_none([uncommented(line) for line in lines(value)])


def uncommented(line: str) -> str:
    """Return a line without the comment behind it."""
    return _COMMENT.sub("", line)


def integer(value: Any) -> int:
    """Accept a whole number."""
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError(f"{value!r} is not a whole number")
    try:
        return int(value)
    except (TypeError, ValueError):
        raise ValueError(f"{value!r} is not a whole number") from None


def positive(value: Any) -> int:
    """Accept a whole number of at least 1."""
    number = integer(value)
    if number < 1:
        raise ValueError(f"{value!r} is not 1 or more")
    return number


def seed_number(value: Any) -> int:
    """Accept a whole number that every generator takes as its seed: 32 bits."""
    number = integer(value)
    if not 0 <= number < 1 << 32:
        raise ValueError(f"{value!r} is not from 0 to {(1 << 32) - 1}")
    return number


def positive_or_all(value: Any) -> int | str:
    """Accept a whole number of at least 1, or "all", which -1 means too."""
    return "all" if str(value).strip().lower() in ("all", "-1") else positive(value)


def orders(value: Any) -> int:
    """Accept 0, or a whole number of at least 2: one order has no spread."""
    number = integer(value)
    if number < 0 or number == 1:
        raise ValueError(f"{value!r} is neither 0 nor 2 or more")
    return number


def non_negative(value: Any) -> float:
    """Accept a finite number of at least 0."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{value!r} is not a number") from None
    if not math.isfinite(number) or number < 0:
        raise ValueError(f"{value!r} is not a finite number of 0 or more")
    return number


def above_zero(value: Any) -> float:
    """Accept a finite number above 0."""
    number = non_negative(value)
    if not number:
        raise ValueError(f"{value!r} is not above 0")
    return number


def baseline(value: Any) -> str:
    """Accept zero, mean or a finite number, as text."""
    word = str(value).strip().lower()
    if word in ("zero", "mean"):
        return word
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is neither zero, mean nor a finite number")
    return f"{number:g}" if number else "zero"


def at_least_one(value: Any) -> float:
    """Accept a finite number of at least 1."""
    number = non_negative(value)
    if number < 1:
        raise ValueError(f"{value!r} is below 1")
    return number


def numbers(value: Any) -> tuple[float, ...]:
    """Accept finite numbers, as a sequence or separated by commas."""
    try:
        found = tuple(float(part) for part in texts(value))
    except ValueError:
        raise ValueError(
            f"{value!r} holds something that is not a number; separate numbers by commas"
        ) from None
    if not all(map(math.isfinite, found)):
        raise ValueError(f"{value!r} holds a number that is not finite")
    return found


def integers(value: Any) -> tuple[int, ...]:
    """Accept whole numbers of at least 1, as a sequence or separated by commas."""
    try:
        numbers = tuple(positive(part) for part in texts(value))
    except ValueError as error:
        raise ValueError(f"{error}; separate numbers by commas, such as 2,3,4") from None
    if not numbers:
        raise ValueError("no number given")
    return tuple(sorted(set(numbers)))


def boolean(value: Any) -> bool:
    """Accept true/false, yes/no, on/off, 1/0."""
    if isinstance(value, bool):
        return value
    folded = str(value).strip().lower()
    if folded not in _TRUE | _FALSE:
        raise ValueError(f"{value!r} is neither true nor false")
    return folded in _TRUE


def byte_size(value: Any) -> int:
    """Accept a number of bytes, or a number with KB, MB, GB or TB (powers of 1024)."""
    if isinstance(value, int) and not isinstance(value, bool):
        return positive(value)
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?\s*", str(value).lower())
    if match is None:
        raise ValueError(f"{value!r} is not a size such as 512MB or 2GB")
    return positive(int(float(match[1]) * _UNITS[match[2]]))


def choice(*allowed: str) -> Callable[[Any], str]:
    """Accept one of the `allowed` words."""

    def parse(value: Any) -> str:
        word = str(value).strip().lower()
        if word not in allowed:
            raise ValueError(f"{value!r} is not one of: {', '.join(allowed)}")
        return word

    return parse


def one_of(*words: str, parse: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Accept one of `words`, or whatever `parse` accepts."""

    def either(value: Any) -> Any:
        word = str(value).strip().lower()
        if word in words:
            return word
        try:
            return parse(value)
        except ValueError as error:
            raise ValueError(f"{error}, nor one of: {', '.join(words)}") from None

    return either
