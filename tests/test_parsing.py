from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance import parsing


@pytest.mark.parametrize(
    ("parse", "value", "expected"),
    [
        (parsing.text, "  a ", "a"),
        (parsing.text, 7, "7"),
        (parsing.texts, "a, b,,c", ("a", "b", "c")),
        (parsing.texts, ["a,b", " c "], ("a,b", "c")),
        (parsing.texts, "", ()),
        (parsing.names("all", "NC"), "ALL", ("all",)),
        (parsing.names("all", "NC"), "nc, Mine", ("NC", "Mine")),
        (parsing.lines, "IDC=0.6 # a, b\n\n share=0.9", ("IDC=0.6 # a, b", "share=0.9")),
        (parsing.lines, ["json:a,b.json"], ("json:a,b.json",)),
        (parsing.lines, 0.6, ("0.6",)),
        (parsing.lines, [], ()),
        (parsing.lines_or_none, ["None "], ()),
        (parsing.lines_or_none, "IDC=0.6 # none", ("IDC=0.6 # none",)),
        (parsing.plain_lines, "json:a#1.json  # keep\ncsv:b", ("json:a#1.json", "csv:b")),
        (parsing.plain_lines, "none # for now", ()),
        (parsing.integer, "12", 12),
        (parsing.integer, 3.0, 3),
        (parsing.positive, "1", 1),
        (parsing.seed_number, "4294967295", 4294967295),
        (parsing.non_negative, "1e-6", 1e-6),
        (parsing.non_negative, 0, 0.0),
        (parsing.integers, "4,2,2,3", (2, 3, 4)),
        (parsing.integers, [3, 2], (2, 3)),
        (parsing.boolean, "Yes", True),
        (parsing.boolean, "off", False),
        (parsing.boolean, True, True),
        (parsing.byte_size, "512MB", 512 << 20),
        (parsing.byte_size, "1.5 gib", 3 << 29),
        (parsing.byte_size, 4096, 4096),
        (parsing.choice("a", "b"), " A ", "a"),
        (parsing.one_of("auto", parse=parsing.positive), "AUTO", "auto"),
        (parsing.one_of("auto", parse=parsing.positive), "3", 3),
    ],
)
def test_accepts(parse: Callable[[Any], Any], value: Any, expected: Any) -> None:
    result = parse(value)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("parse", "value", "what"),
    [
        (parsing.text, "  ", "empty"),
        (parsing.lines, "", "empty"),
        (parsing.lines, ["IDC=0.6", " "], "empty"),
        (parsing.plain_lines, ["# why"], "empty"),
        (parsing.lines_or_none, ["none", "IDC=0.6"], "none stands alone"),
        (parsing.integer, "1.5", "whole number"),
        (parsing.integer, 1.5, "whole number"),
        (parsing.integer, True, "whole number"),
        (parsing.integer, None, "whole number"),
        (parsing.positive, 0, "1 or more"),
        (parsing.seed_number, "-1", "not from 0 to 4294967295"),
        (parsing.seed_number, 1 << 32, "not from 0 to 4294967295"),
        (parsing.non_negative, "-1", "0 or more"),
        (parsing.non_negative, "nan", "finite"),
        (parsing.non_negative, "x", "not a number"),
        (parsing.integers, "", "no number"),
        (parsing.names("all", "NC"), " , ", "no name is given, such as all, NC"),
        (parsing.integers, "2,x", "whole number"),
        (parsing.boolean, "maybe", "neither true nor false"),
        (parsing.byte_size, "12 parsecs", "512MB"),
        (parsing.byte_size, "0", "1 or more"),
        (parsing.byte_size, True, "not a size"),
        (parsing.choice("a", "b"), "c", "not one of: a, b"),
        (parsing.one_of("auto", parse=parsing.positive), "x", "nor one of: auto"),
    ],
)
def test_refuses_with_the_value(parse: Callable[[Any], Any], value: Any, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        parse(value)


@settings(deadline=None)
@given(st.lists(st.integers(1, 50), min_size=1))
def test_integers_are_sorted_and_once(numbers: list[int]) -> None:
    assert parsing.integers(",".join(map(str, numbers))) == tuple(sorted(set(numbers)))
