"""How numbers and names become text: rounding and percent signs exist once, here.

A shown number never contradicts a verdict: 100 % is shown for exactly everything only, and
`contrast` adds digits until the shown pair compares as the exact pair does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

PLACES = 60
"""Decimal places that are tried to write a number exactly."""

_PLAIN_BELOW = 10**12
_SMALLEST_PLAIN = 1e-4


def decimal(value: Fraction, places: int) -> str:
    """Write `value` with `places` decimals, halves rounded up."""
    units = math.floor(value * 10**places + Fraction(1, 2))
    if places == 0:
        return str(units)
    whole, rest = divmod(abs(units), 10**places)
    return f"{'-' * (units < 0)}{whole}.{rest:0{places}d}"


def exact(value: Fraction) -> str:
    """Write `value` with as few decimals as keep it exact, at most `PLACES`."""
    for places in range(PLACES):
        if 10**places % value.denominator == 0:
            return decimal(value, places)
    return decimal(value, PLACES)


def contrast(value: Fraction, bound: Fraction, places: int = 2) -> tuple[str, str]:
    """Write `value` and `bound` so that the shown numbers compare as the exact ones do.

    Args:
        value: The measured number.
        bound: The threshold, a finite decimal of at most `PLACES` places.
        places: Decimals of `value` to start with; more are used only where they are needed.
    """
    shown_bound = exact(bound)
    while True:
        shown = decimal(value, places)
        if (Fraction(shown) >= Fraction(shown_bound)) == (value >= bound):
            return shown, shown_bound
        places += 1


def percent(
    value: Fraction | float | None, places: int = 1, unit: str = "%", *, bare: bool = False
) -> str:
    """Write a ratio as a percentage ("30.6%"); "-" for None and NaN.

    Less than everything is never shown as 100 (it is cut there, not rounded), and more than nothing
    is shown as "<0.1%" rather than as 0.0, unless a `bare` number is asked for.
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "-"
    ratio, step = Fraction(value), Fraction(1, 10**places)
    text = decimal(ratio * 100, places)
    if ratio < 1 and Fraction(text) >= 100:
        text = decimal(100 - step, places)
    if ratio > 0 and not Fraction(text) and not bare:
        text = "<" + decimal(step, places)
    return text + unit


def count(number: int) -> str:
    """Write a whole number with thousands separators, from 10**12 on as 1.15e18."""
    if abs(number) < _PLAIN_BELOW:
        return f"{number:,}"
    return f"{Decimal(number):.2e}".replace("e+", "e")


def significant(value: float) -> str:
    """Write a number with three significant digits: "1.62", "0.0153", "12,346", "1.53e-07"."""
    if not value:
        return "0"
    if abs(value) >= _PLAIN_BELOW or abs(value) < _SMALLEST_PLAIN:
        return f"{value:.2e}".replace("e+", "e")
    places = places_of(value)
    return f"{value:,.{places}f}"


def places_of(value: float) -> int:
    """Return the decimals with which `value` has three significant digits (0 from 100 on)."""
    exponent = int(f"{value:.2e}".partition("e")[2])
    return max(0, 2 - exponent)


def amount(number: int | float) -> str:
    """Write a whole number as `count` does, any other with three significant digits."""
    return count(number) if isinstance(number, int) else significant(number)


def plural(number: int, one: str, many: str = "") -> str:
    """Write "1 test", "2 tests"."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def clean(text: str) -> str:
    """Replace what cannot be printed: a name must not move the cursor or break a line."""
    if text.isprintable():
        return text
    spaced = " ".join(text.split())
    return "".join(char if char.isprintable() else "?" for char in spaced)


def is_formula(text: str) -> bool:
    """Return whether a spreadsheet would take the text of a cell for a formula."""
    return text.startswith(("=", "+", "-", "@", "\t", "\r"))


def listed(names: Iterable[str], most: int = 6, joint: str = ", ") -> str:
    """Join up to `most` names and say how many were left out."""
    pool = [clean(name) for name in names]
    more = len(pool) - most
    return joint.join(pool[:most]) + (f" and {count(more)} more" if more > 0 else "")


def an(word: str) -> str:
    """Return a word behind its article: "a list", "an int"."""
    return f"{'an' if word[:1].lower() in 'aeiou' else 'a'} {word}"


def byte_count(size: int) -> str:
    """Return a size in bytes, kB, MB or GB (powers of 1,000)."""
    value, unit = float(size), "bytes"
    for larger in ("kB", "MB", "GB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{count(size)} bytes" if unit == "bytes" else f"{value:.1f} {unit}"


def describe_error(error: Exception) -> str:
    """Return the kind and the first line of an error."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:120]}" if text else type(error).__name__
