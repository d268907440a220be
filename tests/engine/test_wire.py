"""States as bytes: nothing is lost, and what is not of our making is refused."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from pytest_deepimportance.data.sheets import Columns, Sheet
from pytest_deepimportance.data.tags import number_of
from pytest_deepimportance.data.thumbnails import Thumbnail
from pytest_deepimportance.engine.states import BlockState
from pytest_deepimportance.engine.wire import packed, unpacked
from pytest_deepimportance.errors import DataFileError

COLUMNS = (Columns("conv", 2, True), Columns("fc", 3, False))


def kept(rows: int, seed: int = 0, dtype: str = "f4") -> Sheet:
    values = np.random.default_rng(seed).normal(size=(rows, 7))
    values.flat[:3] = [np.nan, -0.0, np.inf][: values.size]
    return Sheet(COLUMNS, values.astype(dtype))


def state(key: str, rows: int = 2, **other: object) -> BlockState:
    whole = BlockState(
        key=key,
        kind="test",
        passes=1,
        digests=np.arange(rows, dtype=np.uint64) + np.uint64(2**63),
        labels=np.arange(rows) - 1,
        predictions=np.arange(rows) * 7,
        criteria={},
        non_finite={},
        scored=10,
        devices=("cpu",),
    )
    return whole._replace(**other)  # type: ignore[arg-type]


SURE = np.array([[0.1, np.nan, 0.3], [1, 2, 3]], np.float32)
STATES = [
    state("plain"),
    state("empty", rows=0),
    state("nobody", rows=0, devices=()),
    state("fixture", kind="fixture", passes=3, train_mode_passes=2, scored=0),
    state("kept", kept=(kept(2),), waiting=("IDC", "NC"), confidence=SURE),
    state("kept too", kept=(kept(2, 1),), waiting=("IDC", "NC"), confidence=SURE * 2),
    state("double", rows=3, kept=(kept(1), kept(2, 3, "f8")), waiting=("IDC",)),
    state("criteria", criteria={"TOY": {"a": b"1", "b": [1, 2.5]}}, non_finite={"fc": 2}),
    state("codes", codes={"all": np.array([[1, 255], [0, 3]], np.uint8)}),
    state("leaks", without_leaks={}),
    state("leaks too", without_leaks={"TOY": {"a": b""}}, criteria={"TOY": {"a": b"2"}}),
    state("tags", tags=np.array([number_of((("a", "b"),)), 0], np.int32)),
    state("images", thumbnails={2**64 - 1: Thumbnail(b"png", -0.5, 2.0)}),
]


def same(one: object, other: object) -> None:
    if isinstance(one, BlockState):
        assert type(one) is type(other)
    if isinstance(one, Sheet):
        assert type(one) is type(other)
        for field in dataclasses.fields(one):
            same(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, np.ndarray):
        assert isinstance(other, np.ndarray)
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert one.tobytes() == other.tobytes()
    elif isinstance(one, tuple) and isinstance(other, tuple):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            same(a, b)
    elif isinstance(one, dict) and isinstance(other, dict):
        assert one.keys() == other.keys()
        for key in one:
            same(one[key], other[key])
    else:
        assert one == other


def test_states_come_back_to_the_last_bit_in_their_order() -> None:
    found = unpacked([(each.key, data) for each, data in zip(STATES, packed(STATES), strict=True)])
    for one, other in zip(STATES, found, strict=True):
        same(one, other)


def test_equal_states_of_two_blocks_have_equal_bytes() -> None:
    found = packed(STATES)
    for each, data in zip(STATES, found, strict=True):
        assert packed([each._replace(key="another"), each]) == [data, data]
    assert len(set(found)) == len(STATES)


def test_no_memory_is_shared_with_what_was_packed() -> None:
    data = packed([STATES[4]])[0]
    (found,) = unpacked([("kept", data)])
    found.kept[0].values[:] = 0
    assert unpacked([("kept", data)])[0].kept[0].values.any()


def edited(**fields: object) -> bytes:
    data = packed([STATES[4]])[0]
    size = 4 + int.from_bytes(data[:4], "little")
    form = json.loads(data[4:size])
    names = ["kind", "passes", "rows", "train", "scored", "devices", "waiting", "sure", "kept"]
    for name, value in fields.items():
        form[names.index(name)] = value
    text = json.dumps(form).encode()
    return len(text).to_bytes(4, "little") + text + data[size:]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x02\0\0\0{}",
        b"\x02\0\0\0[]",
        packed([STATES[4]])[0][:-1],
        packed([STATES[7]])[0][:-1],
        packed([STATES[4]])[0] + b"\0",
        edited(rows=3),
        edited(rows=-1),
        edited(rows="x"),
        edited(kept=[[2, [["conv", 2, True], ["fc", 3, False]], "O"]]),
        edited(kept=[[2, [["conv", 2]], "<f4"]]),
        edited(kept=[[10**12, [["conv", 2, True]], "<f4"]]),
    ],
)
def test_bytes_of_others_are_refused(data: bytes) -> None:
    with pytest.raises(DataFileError, match="cannot be read"):
        unpacked([("good", packed([STATES[0]])[0]), ("a", data)])
