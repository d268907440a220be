from __future__ import annotations

import decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance.errors import GateError
from pytest_deepimportance.thresholds import Threshold, parse_threshold

CRITERIA = {"IDC": "ratio", "KMNC": "ratio", "CC": "count", "NLC": "float"}


def parts(text: object, **options: object) -> tuple[object, ...]:
    found = parse_threshold(text, criteria=CRITERIA, **options)  # type: ignore[arg-type]
    return found.suite, found.name, found.layer, found.label, found.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.6", (None, "IDC", None, None, Fraction(3, 5))),
        (".6", (None, "IDC", None, None, Fraction(3, 5))),
        ("1", (None, "IDC", None, None, Fraction(1))),
        ("0", (None, "IDC", None, None, Fraction(0))),
        ("1e-2", (None, "IDC", None, None, Fraction(1, 100))),
        (0.1, (None, "IDC", None, None, Fraction(1, 10))),
        (1, (None, "IDC", None, None, Fraction(1))),
        ("random", (None, "IDC", None, None, "random")),
        ("IDC=Random", (None, "IDC", None, None, "random")),
        ("idc=0.5", (None, "IDC", None, None, Fraction(1, 2))),
        ("SHARE=0.9", (None, "share", None, None, Fraction(9, 10))),
        ("reached = .5", (None, "reached", None, None, Fraction(1, 2))),
        ("clean/share=0.9", ("clean", "share", None, None, Fraction(9, 10))),
        ("IDC@fc2=0.9", (None, "IDC", "fc2", None, Fraction(9, 10))),
        (
            "IDC@features.3.conv1#1:7=0.9",
            (None, "IDC", "features.3.conv1#1", "7", Fraction(9, 10)),
        ),
        ("night/IDC@fc2:*=0.2", ("night", "IDC", "fc2", "*", Fraction(1, 5))),
        ("share:traffic light=0.7", (None, "share", None, "traffic light", Fraction(7, 10))),
        ("share:n/a=0.7", (None, "share", None, "n/a", Fraction(7, 10))),
        ("IDC:a=b=0.7", (None, "IDC", None, "a=b", Fraction(7, 10))),
        ("IDC:a:b=0.7", (None, "IDC", None, "a:b", Fraction(7, 10))),
        ("tests/night/IDC=0.7", ("tests/night", "IDC", None, None, Fraction(7, 10))),
        ("a:b/IDC=0.7", ("a:b", "IDC", None, None, Fraction(7, 10))),
        ("a@b/IDC=0.7", ("a@b", "IDC", None, None, Fraction(7, 10))),
        ("TOTAL/IDC=0.7", ("TOTAL", "IDC", None, None, Fraction(7, 10))),
        ("CC=200", (None, "CC", None, None, Fraction(200))),
        ("NLC=12.5", (None, "NLC", None, None, Fraction(25, 2))),
    ],
)
def test_grammar(text: object, expected: tuple[object, ...]) -> None:
    assert parts(text) == expected


def test_reason_and_text() -> None:
    found = parse_threshold(" clean/idc@conv#1=0.60 # agreed with QA # 4 ", origin="ini")
    assert found.reason == "agreed with QA # 4"
    assert found.text == "IDC@conv#1=0.60"
    assert found.suite == "clean"
    assert found.origin == "ini"
    assert found.subject == "clean/IDC@conv#1"
    assert parse_threshold("0.6 #").reason == ""
    assert parse_threshold("0.6", reason="from the marker").reason == "from the marker"
    assert parse_threshold("0.6 # own", reason="from the marker").reason == "own"


def test_suite_of_the_marker() -> None:
    assert parse_threshold("0.6", suite="clean").suite == "clean"
    assert parse_threshold("clean/IDC=0.6", suite="clean").suite == "clean"
    with pytest.raises(GateError, match=r"'night'.*'clean'"):
        parse_threshold("night/IDC=0.6", suite="clean")


@settings(deadline=None)
@given(st.decimals(min_value=0, max_value=1, allow_nan=False, places=12))
def test_decimal_text_is_read_exactly(number: decimal.Decimal) -> None:
    assert parse_threshold(f"IDC={number}").value == Fraction(number)


@settings(deadline=None)
@given(st.floats(min_value=0, max_value=1).filter(lambda x: x == 0 or x > 1e-12))
def test_floats_mean_the_decimal_they_print(number: float) -> None:
    assert parse_threshold(number).value == Fraction(str(number))


names = st.text(
    st.characters(whitelist_categories=("Lu", "Ll", "Nd"), whitelist_characters=". _-"), min_size=1
).filter(lambda text: text == text.strip())


@settings(deadline=None)
@given(st.none() | names, st.none() | names, st.none() | names | st.just("*"))
def test_round_trip(suite: str | None, layer: str | None, label: str | None) -> None:
    text = (
        (f"{suite}/" if suite is not None else "")
        + "share"
        + (f"@{layer}" if layer is not None else "")
        + (f":{label}" if label is not None else "")
    )
    assert parse_threshold(f"{text}=0.25") == Threshold(
        "share", Fraction(1, 4), suite, layer, label, text=text.rpartition("/")[2] + "=0.25"
    )


@pytest.mark.parametrize(
    ("text", "what", "fix"),
    [
        ("60", "60 is above 1", "Write 0.6 for 60 %"),
        ("60%", "60% is a percentage", "Write 0.6 for 60 %"),
        ("IDC=12.5 %", "percentage", "Write 0.125 for 12.5 %"),
        ("share=1.5", "above 1", "Write a number from 0 to 1, such as 0.6 for 60 %"),
        ("share=1.5%", "percentage", "Write 0.015 for 1.5 %"),
        ("share=2", "above 1", "Write 0.02 for 2 %"),
        ("IDC=600", "above 1", "such as 0.6 for 60 %"),
        ("IDC>0.5", "has > where = belongs", "Write IDC=0.5."),
        ("clean/share:7 >= 60 %", "has >= where = belongs", "Write clean/share:7=60 %."),
        ("kmnc==0.5", "has == where = belongs", "Write KMNC=0.5."),
        ("IDC 0.5", "has a space where = belongs", "Write IDC=0.5."),
        ("IDC:0.5", "has : where = belongs", "Write IDC=0.5."),
        ("CC<300", "is an upper bound", "Write CC=VALUE for a lower bound"),
        ("IDD>0.5", "has no value", "=0.6"),
        ("=0.5", "names no criterion", "IDC, KMNC"),
        ("CC=random", "does not judge CC", "CC=300"),
        ("NLC=random", "does not judge NLC", "IDC=random"),
        ("CC", "has no value", "Write CC=300."),
        ("CC=1,200", "not a number", "Write 1200."),
        ("NLC=1,5", "not a number", "Write 1.5."),
        ("NLC=5%", "NLC is no ratio", "such as 1.5"),
        ("0,6", "not a number", "Write 0.6"),
        ("-0.1", "negative", "0 or more"),
        ("nan", "not a number", "0.6"),
        ("IDC=inf", "not a number", "0.6"),
        ("IDC=1e-300", "decimals", "fewer"),
        ("IDC=1e9999999999", "not a number", "0.6"),
        ("IDC=0.٥", "not a number", "0.6"),
        ("IDC=0x1", "not a number", "0.6"),
        ("IDC=1_0", "not a number", "0.6"),
        ("", "empty", "0.6"),
        ("IDC=", "has no value", "0.6"),
        ("IDC", "has no value", "IDC=0.6"),
        ("share", "has no value", "share=0.6"),
        ("clean/random", "has no value", "Write clean/IDC=random"),
        ("clean/0.5", "has no value", "Write clean/IDC=0.5"),
        ("IDD=0.5", "no criterion 'IDD'", "did you mean IDC"),
        ("NC=0.5", "no criterion 'NC'", "KMNC"),
        ("zzzzzzz=0.5", "no criterion", "IDC, KMNC, CC, NLC, share, reached"),
        ("clean/IDD=0.5", "no criterion", "IDC"),
        ("/IDC=0.5", "empty suite", "SUITE/"),
        ("IDC@=0.5", "empty layer", "@LAYER"),
        ("IDC:=0.5", "empty class", ":CLASS"),
        ("share=random", "does not judge share", "IDC=random"),
        ("CC=50%", "CC is no ratio", "Write a number such as 300."),
        (True, "empty", "0.6"),
        (None, "empty", "0.6"),
    ],
)
def test_refusals_teach(text: object, what: str, fix: str) -> None:
    with pytest.raises(GateError) as caught:
        parse_threshold(text, "ini", criteria=CRITERIA)
    assert what in caught.value.what
    assert fix in caught.value.fix
