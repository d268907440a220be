from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance.formatting import (
    amount,
    clean,
    contrast,
    count,
    decimal,
    exact,
    listed,
    percent,
    places_of,
    plural,
    significant,
)

ratios = st.fractions(min_value=0, max_value=1)
bounds = st.decimals(min_value=0, max_value=1, places=9).map(lambda number: Fraction(str(number)))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(176, 576), "30.6%"),
        (Fraction(0), "0.0%"),
        (Fraction(1), "100.0%"),
        (Fraction(9999, 10000), "99.9%"),
        (Fraction(1, 10**9), "<0.1%"),
        (Fraction(1, 2000), "0.1%"),
        (None, "-"),
        (float("nan"), "-"),
        (0.25, "25.0%"),
    ],
)
def test_percent(value: Fraction | float | None, text: str) -> None:
    assert percent(value) == text


def test_a_bare_percentage_is_always_a_number() -> None:
    assert percent(Fraction(1, 10**9), 2, bare=True) == "0.00%"


@settings(deadline=None)
@given(ratios)
def test_100_percent_means_everything(value: Fraction) -> None:
    assert percent(value).startswith("100") == (value == 1)


@settings(deadline=None)
@given(st.fractions(min_value=0, max_value=10**6), st.integers(0, 8))
def test_decimal_is_the_nearest_number(value: Fraction, places: int) -> None:
    shown = Fraction(decimal(value, places))
    assert abs(shown - value) <= Fraction(1, 2 * 10**places)


@settings(deadline=None)
@given(bounds)
def test_exact_keeps_every_decimal(value: Fraction) -> None:
    assert Fraction(exact(value)) == value
    assert not exact(value).endswith("0") or "." not in exact(value)


@settings(deadline=None)
@given(ratios, bounds)
def test_contrast_never_contradicts(value: Fraction, bound: Fraction) -> None:
    shown, shown_bound = contrast(value, bound)
    assert (Fraction(shown) >= Fraction(shown_bound)) == (value >= bound)


@settings(deadline=None)
@given(bounds, st.integers(10**6, 10**12), st.integers(-1, 1))
def test_contrast_at_the_boundary(bound: Fraction, total: int, step: int) -> None:
    value = Fraction(max(0, round(bound * total) + step), total)
    shown, shown_bound = contrast(value, bound)
    assert (Fraction(shown) >= Fraction(shown_bound)) == (value >= bound)


def test_contrast_uses_no_more_digits_than_it_must() -> None:
    assert contrast(Fraction(106, 576) * 100, Fraction(29)) == ("18.40", "29")
    assert contrast(Fraction("28.9999"), Fraction(29)) == ("28.9999", "29")
    assert contrast(Fraction("29.000001"), Fraction(29)) == ("29.00", "29")


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (1234567, "1,234,567"), (10**12, "1.00e12"), (4**40, "1.21e24")],
)
def test_count(number: int, text: str) -> None:
    assert count(number) == text


def test_count_of_a_number_with_more_digits_than_python_prints() -> None:
    assert count(4**10_000) == "3.98e6020"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1.6168, "1.62"), (0.0153, "0.0153"), (20.03, "20.0"), (9.996, "10.0"), (0.97, "0.970"),
        (-1.5, "-1.50"), (12345.6, "12,346"), (1.5e-7, "1.50e-07"), (2.5e300, "2.50e300"), (0.0, "0"),
    ],
)  # fmt: skip
def test_numbers_have_three_significant_digits(number: float, text: str) -> None:
    assert significant(number) == text
    assert amount(number) == text


def test_whole_numbers_are_written_as_counts() -> None:
    assert (amount(0), amount(1234567)) == ("0", "1,234,567")
    assert (places_of(1.6), places_of(0.0153), places_of(250.0)) == (2, 4, 0)


@pytest.mark.parametrize(
    ("value", "text"), [("-1.5", "-1.50"), ("-0.004", "0.00"), ("-7", "-7.00")]
)
def test_decimal_of_a_negative_number(value: str, text: str) -> None:
    assert decimal(Fraction(value), 2) == text


def test_plural() -> None:
    assert [plural(n, "pass", "passes") for n in (0, 1, 2000)] == [
        "0 passes",
        "1 pass",
        "2,000 passes",
    ]


def test_clean_keeps_a_name_on_its_line() -> None:
    assert clean("a\nb\t c") == "a b c"
    assert clean("\x1b[31mred\u202e") == "?[31mred?"
    assert clean("Überfall 猫") == "Überfall 猫"


def test_listed() -> None:
    assert listed("abc", 2) == "a, b and 1 more"
    assert listed("ab") == "a, b"
