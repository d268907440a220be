"""Blocks' states as byte strings: how they travel and how they are stored.

Four bytes with the length of a JSON text, the text, then numbers. The text is the state's form: how
many rows of what. Ten thousand small tests share a few forms, so that a text is made and read once,
and the numbers of all states of one form are read as one table. Of equal states the bytes are
equal, so that they are compared and named by their content; the block's key is kept beside them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.criteria.plain import from_plain, to_plain
from pytest_deepimportance.data.sheets import Columns, Sheet
from pytest_deepimportance.data.tags import tags_from_wire, tags_to_wire
from pytest_deepimportance.data.thumbnails import Thumbnail
from pytest_deepimportance.engine.states import BlockState
from pytest_deepimportance.store.packing import pack, unpack, unreadable

_KINDS = {4: "<f4", 8: "<f8"}
"""What the values of a sheet may be, by their size."""


class SheetForm(NamedTuple):
    """Of the rows that a block kept: their number, what stands where, and how it is written."""

    rows: int
    columns: tuple[Columns, ...]
    kind: str


class Form(NamedTuple):
    """What states of one form have in common; most names as in `BlockState`.

    Attributes:
        rows: Counted rows.
        confidence: Whether it is known.
        rest: Bytes of what few states have, after the numbers.
    """

    kind: str
    passes: int
    rows: int
    train_mode_passes: int
    scored: int
    devices: tuple[str, ...]
    waiting: tuple[str, ...]
    confidence: bool
    kept: tuple[SheetForm, ...]
    rest: int


def packed(states: Sequence[BlockState]) -> list[bytes]:
    """Return states as bytes, without their keys.

    Raises:
        DataFileError: A criterion's state holds something beside builtins and bytes.
    """
    rests = [_rest(state) for state in states]
    alike: dict[Form, list[int]] = {}
    for at, state in enumerate(states):
        alike.setdefault(_form_of(state, rests[at]), []).append(at)
    found = [b""] * len(states)
    for form, places in alike.items():
        header, layout = _written(form)
        numbers = _table([states[at] for at in places], form, layout).tobytes()
        size = layout.itemsize
        for row, at in enumerate(places):
            found[at] = b"".join((header, numbers[row * size : (row + 1) * size], rests[at]))
    return found


def _form_of(state: BlockState, rest: bytes) -> Form:
    return Form(
        state.kind,
        state.passes,
        len(state.digests),
        state.train_mode_passes,
        state.scored,
        state.devices,
        state.waiting,
        state.confidence is not None,
        tuple([SheetForm(len(s.values), s.columns, _KINDS[s.values.itemsize]) for s in state.kept]),
        len(rest),
    )


def _table(states: Sequence[BlockState], form: Form, layout: np.dtype[Any]) -> NDArray[Any]:
    """Return the numbers of states of one form, one state a row."""
    table = np.empty(len(states), layout)
    _fill(table["digests"], [state.digests for state in states])
    _fill(table["labels"], [state.labels for state in states])
    _fill(table["predictions"], [state.predictions for state in states])
    if form.confidence:
        _fill(table["confidence"], [s.confidence for s in states if s.confidence is not None])
    for at in range(len(form.kept)):
        _fill(table[f"kept{at}"], [state.kept[at].values for state in states])
    return table


def _fill(column: NDArray[Any], parts: Sequence[NDArray[Any]]) -> None:
    column[:] = np.concatenate(parts).reshape(column.shape)


def unpacked(states: Sequence[tuple[str, bytes]]) -> list[BlockState]:
    """Return the states of blocks, each given by its key and what `packed` made of it.

    Raises:
        DataFileError: Bytes are not of its making.
    """
    found: list[BlockState | None] = [None] * len(states)
    alike: dict[bytes, list[int]] = {}
    for at, (_, data) in enumerate(states):
        size = 4 + int.from_bytes(data[:4], "little")
        alike.setdefault(data[:size], []).append(at)
    try:
        for header, places in alike.items():
            bodies = [states[at][1][len(header) :] for at in places]
            keys = [states[at][0] for at in places]
            for at, state in zip(places, _of_one_form(_read(header), keys, bodies), strict=True):
                found[at] = state
    except (ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
        raise unreadable(error) from error
    return [state for state in found if state is not None]


def _of_one_form(form: Form, keys: Sequence[str], bodies: Sequence[bytes]) -> list[BlockState]:
    layout = _layout(form)
    size, states = layout.itemsize, len(bodies)
    if any(len(body) != size + form.rest for body in bodies):
        raise ValueError("a byte string lies outside")
    numbers = b"".join([body[:size] for body in bodies] if form.rest else bodies)
    table = np.frombuffer(numbers, layout, states) if size else np.empty(states, layout)
    digests = table["digests"].astype(np.uint64)
    labels = table["labels"].astype(np.int64)
    predictions = table["predictions"].astype(np.int64)
    sure = table["confidence"].astype(np.float32) if form.confidence else [None] * states
    kept = [_sheets(table[f"kept{at}"], sheet) for at, sheet in enumerate(form.kept)]
    rests = [_Rest.read(body[size:]) for body in bodies] if form.rest else [_Rest()] * states
    return [
        BlockState(
            key, form.kind, form.passes, hashes, truth, predicted, rest.criteria, rest.non_finite,
            form.train_mode_passes, form.scored, confidence, rest.codes, rest.without_leaks,
            rest.tags, form.devices, rest.thumbnails, tuple([sheets[at] for sheets in kept]),
            form.waiting,
        )
        for at, (key, rest, confidence, hashes, truth, predicted) in enumerate(
            zip(keys, rests, sure, digests, labels, predictions, strict=True)
        )
    ]  # fmt: skip


def _sheets(values: NDArray[Any], form: SheetForm) -> list[Sheet]:
    own = values.astype(values.dtype.newbyteorder("="))
    return [Sheet(form.columns, of_block) for of_block in own]


@lru_cache(maxsize=256)
def _written(form: Form) -> tuple[bytes, np.dtype[Any]]:
    """Return how states of a form begin, and their layout."""
    text = json.dumps(form, separators=(",", ":")).encode()
    return len(text).to_bytes(4, "little") + text, _layout(form)


@lru_cache(maxsize=256)
def _read(header: bytes) -> Form:
    """Return the form of states that begin like this."""
    form = Form(*json.loads(header[4:]))
    kept = [SheetForm(*sheet) for sheet in form.kept]
    if any(sheet.kind not in _KINDS.values() for sheet in kept):
        raise ValueError("unknown numbers")
    return form._replace(
        devices=tuple(form.devices),
        waiting=tuple(form.waiting),
        kept=tuple(
            sheet._replace(columns=tuple(Columns(*columns) for columns in sheet.columns))
            for sheet in kept
        ),
    )


def _layout(form: Form) -> np.dtype[Any]:
    """Return where the numbers of a state stand."""
    fields: list[tuple[str, str, tuple[int, ...]]] = [
        ("digests", "<u8", (form.rows,)),
        ("labels", "<i4", (form.rows,)),
        ("predictions", "<i4", (form.rows,)),
    ]
    if form.confidence:
        fields.append(("confidence", "<f4", (form.rows, 3)))
    for at, sheet in enumerate(form.kept):
        width = sum(columns.width for columns in sheet.columns)
        fields.append((f"kept{at}", sheet.kind, (sheet.rows, width)))
    return np.dtype(fields)


class _Rest(NamedTuple):
    """What few states have; see `BlockState`."""

    criteria: Mapping[str, Any] = {}
    non_finite: Mapping[str, int] = {}
    codes: Mapping[str, NDArray[np.uint8]] = {}
    without_leaks: Mapping[str, Any] | None = None
    tags: NDArray[np.int32] | None = None
    thumbnails: Mapping[int, Thumbnail] = {}

    @classmethod
    def read(cls, data: bytes) -> _Rest:
        """Return what `_rest` wrote."""
        rest = unpack(data)
        return cls(
            rest.get("criteria", {}),
            rest.get("non_finite", {}),
            from_plain(rest.get("codes", {})),
            rest.get("without_leaks"),
            tags_from_wire(rest["tags"]) if "tags" in rest else None,
            {key: Thumbnail(*image) for key, *image in rest.get("thumbnails", ())},
        )


def _rest(state: BlockState) -> bytes:
    """Return what few states have, by name; nothing where this one has nothing of it."""
    rest: dict[str, Any] = {}
    if state.criteria:
        rest["criteria"] = dict(state.criteria)
    if state.non_finite:
        rest["non_finite"] = dict(state.non_finite)
    if state.codes:
        rest["codes"] = to_plain(state.codes)
    if state.tags is not None:
        rest["tags"] = tags_to_wire(state.tags)
    if state.without_leaks is not None:
        rest["without_leaks"] = dict(state.without_leaks)
    if state.thumbnails:
        rest["thumbnails"] = [[key, *astuple(image)] for key, image in state.thumbnails.items()]
    return pack(rest) if rest else b""
