"""The gate's verdict from first principles: whole numbers only, no fractions, no floats.

Written from DESIGN D12: a threshold is its decimal text; covered / total >= text is compared exactly.
"""

from __future__ import annotations


def digits(text: str) -> tuple[int, int]:
    """Return (n, d) with text = n / 10**d, for plain decimal text such as "0.29", ".6", "1e-2"."""
    mantissa, _, exponent = text.lower().partition("e")
    whole, _, rest = mantissa.partition(".")
    number, places = int((whole + rest) or "0"), len(rest) - int(exponent or "0")
    if places < 0:
        return number * 10**-places, 0
    return number, places


def passes(covered: int, total: int, text: str) -> bool:
    """Return whether covered / total >= text; nothing of nothing is 0."""
    number, places = digits(text)
    if total == 0:
        return number == 0
    return covered * 10**places >= number * total


def needed(total: int, text: str) -> int:
    """Return the smallest covered that passes, by trying."""
    covered = 0
    while total and not passes(covered, total, text):
        covered += 1
    return covered


def shown_verdict(message: str) -> bool:
    """Return what a reader concludes from "IDC 18.40 % < 29 % (...)": is left >= right?"""
    left, right = message.split(" (")[0].replace("<", ">=").split(">=")
    (value, d), (bound, e) = digits(left.split()[-2]), digits(right.split()[0])
    return value * 10**e >= bound * 10**d
