"""Builtins and bytes as one byte string."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_deepimportance.errors import DataFileError
from pytest_deepimportance.store.packing import pack, unpack

LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
    | st.text(max_size=5) | st.binary(max_size=9)
)  # fmt: skip
VALUES: Any = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=4), inner, max_size=4)
        | st.dictionaries(st.integers(), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(VALUES)
def test_round_trip(value: Any) -> None:
    assert unpack(pack(value)) == value
    assert pack(unpack(pack(value))) == pack(value)


def test_equal_values_give_equal_bytes_whatever_the_order_of_their_keys() -> None:
    assert pack({"a": b"1", "b": {"x": b"2", "c": b"3"}}) == pack(
        {"b": {"c": b"3", "x": b"2"}, "a": b"1"}
    )
    assert pack({1: b"1", (2, 3): "x"}) == pack({(2, 3): "x", 1: b"1"})


def test_other_builtins() -> None:
    value = {"set": {3, 1}, "tuple": (1, (b"x",)), "keys": {(1, 2): 3, 4: 5}}
    assert unpack(pack(value)) == {
        "set": {1, 3}, "tuple": [1, [b"x"]], "keys": {(1, 2): 3, 4: 5},
    }  # fmt: skip


@pytest.mark.parametrize("value", [np.int64(3), np.zeros(2), object()])
def test_anything_else_is_refused_by_name(value: Any) -> None:
    with pytest.raises(DataFileError, match=type(value).__name__) as caught:
        pack({"deep": [value]})
    assert caught.value.why
    assert caught.value.fix


@pytest.mark.parametrize("cut", [0, 3, 8, -1])
def test_bytes_that_are_cut_are_refused(cut: int) -> None:
    data = pack({"a": b"12345", "b": [1, 2]})
    with pytest.raises(DataFileError, match="cannot be read"):
        unpack(data[:cut])
