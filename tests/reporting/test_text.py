from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance.reporting.text import Paragraph, cell_len, pad, shorten


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("conv1", 5, "conv1"),
        ("corruption_01_fog", 11, "corr..._fog"),
        ("corruption_01_fog", 12, "corru..._fog"),
        ("abcdef", 3, "..."),
        ("abcdef", 0, ""),
        ("猫猫猫猫猫", 7, "猫...猫"),
        ("猫猫猫猫猫", 10, "猫猫猫猫猫"),
    ],
)
def test_shorten_keeps_both_ends(text: str, width: int, expected: str) -> None:
    assert shorten(text, width) == expected


@settings(deadline=None)
@given(st.text(), st.integers(0, 40))
def test_shortened_text_fits(text: str, width: int) -> None:
    assert cell_len(shorten(text, width)) <= width


@settings(deadline=None)
@given(st.text(max_size=10), st.integers(20, 30))
def test_padded_text_fills(text: str, width: int) -> None:
    assert cell_len(pad(text, width)) == width
    assert pad(text, width, left=True).startswith(text)


def test_cell_len() -> None:
    assert [cell_len(text) for text in ("", "abc", "猫", "e\u0301")] == [0, 3, 2, 1]


def test_paragraph() -> None:
    paragraph = Paragraph.labelled("items", "m=8")
    assert paragraph.plain == "items      m=8"
    assert paragraph.indent == 11
    assert Paragraph.of("x", "red").spans == (("x", "red"),)
