from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pytest_deepimportance.data.tags import (
    UNTAGGED,
    as_columns,
    as_tags,
    joined_tags,
    number_of,
    tags_from_wire,
    tags_of,
    tags_to_wire,
)
from pytest_deepimportance.errors import RecordingError

TAGS = st.dictionaries(st.sampled_from("abc"), st.text(max_size=3), max_size=3).map(
    lambda found: tuple(sorted(found.items()))
)


@given(st.lists(TAGS, max_size=8))
def test_numbers_stand_for_tags_also_on_the_wire(rows: list[tuple[tuple[str, str], ...]]) -> None:
    numbers = np.array([number_of(tags) for tags in rows], dtype=np.int32)
    assert [tags_of(int(number)) for number in numbers] == rows
    wire = tags_to_wire(numbers)
    assert isinstance(wire["index"], bytes)
    assert tags_from_wire(wire).tolist() == numbers.tolist()


def test_no_tags_and_parts_without_any() -> None:
    assert number_of(()) == UNTAGGED
    assert joined_tags([None, None], [2, 3]) is None
    joined = joined_tags([None, np.array([5], np.int32)], [2, 1])
    assert joined is not None
    assert joined.tolist() == [UNTAGGED, UNTAGGED, 5]


def test_values_are_text() -> None:
    assert as_tags({"night": True, "km": 3}) == (("km", "3"), ("night", "True"))
    columns = {"a": torch.tensor([1, 2]), "b": np.array(["x", "y"]), "c": [True, 0.5]}
    assert as_columns(columns, 2) == {"a": ["1", "2"], "b": ["x", "y"], "c": ["True", "0.5"]}


@pytest.mark.parametrize("bad", [{}, None, "fog", {"": "fog"}, {"a": None}, {3: "fog"}])
def test_what_names_no_slice(bad: object) -> None:
    with pytest.raises(RecordingError):
        as_tags(bad)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("bad", "hint"),
    [
        ({"a": ["x"]}, "slice a has 1 value for 2 rows"),
        ({"a": "xy"}, "not one value for each row"),
        ({"a": 3}, "not one value for each row"),
        ({"a": ["x", None]}, "neither text nor a number"),
        ({}, "names no slice"),
    ],
)
def test_columns_that_do_not_fit(bad: dict[str, object], hint: str) -> None:
    with pytest.raises(RecordingError, match=hint):
        as_columns(bad, 2)
