"""Tags of rows (`weather=fog`), from which slices of a suite are made.

Rows carry a number that stands for their tags, so that they are joined and chosen like any other
column; `tags_of` turns it back. Numbers mean the same within one process only.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.errors import RecordingError
from pytest_deepimportance.formatting import plural

Tags = tuple[tuple[str, str], ...]
"""(name, value) pairs in the order of their names."""

UNTAGGED = 0
"""The number of no tags."""

_TABLE: list[Tags] = [()]
_NUMBERS: dict[Tags, int] = {(): UNTAGGED}
_LOCK = threading.Lock()

_PLAIN = (str, int, float, np.generic)


def number_of(tags: Tags) -> int:
    """Return the number that stands for these tags."""
    with _LOCK:
        if tags not in _NUMBERS:
            _NUMBERS[tags] = len(_TABLE)
            _TABLE.append(tags)
        return _NUMBERS[tags]


def tags_of(number: int) -> Tags:
    """Return the tags a number stands for."""
    return _TABLE[number]


def joined_tags(
    parts: Sequence[NDArray[np.int32] | None], rows: Sequence[int]
) -> NDArray[np.int32] | None:
    """Join the numbers of parts with so many `rows`, UNTAGGED where a part has none, (N,)."""
    if all(part is None for part in parts):
        return None
    return np.concatenate(
        [
            np.full(number, UNTAGGED, np.int32) if part is None else part
            for part, number in zip(parts, rows, strict=True)
        ]
    )


def tags_to_wire(numbers: NDArray[np.int32]) -> dict[str, Any]:
    """Return the tags of rows as builtins and bytes: numbers of this process mean nothing."""
    used, index = np.unique(numbers, return_inverse=True)
    # In the order of the tags: equal rows give equal bytes in every process.
    ranked = sorted(range(len(used)), key=lambda at: tags_of(int(used[at])))
    table = [[list(tag) for tag in tags_of(int(used[at]))] for at in ranked]
    return {"table": table, "index": np.argsort(ranked)[index].astype("<i4").tobytes()}


def tags_from_wire(data: Mapping[str, Any]) -> NDArray[np.int32]:
    """Return the numbers of rows from `tags_to_wire` data, (N,)."""
    own = [number_of(tuple((name, value) for name, value in tags)) for tags in data["table"]]
    index = np.frombuffer(data["index"], dtype="<i4")
    return np.array(own, dtype=np.int32)[index] if len(index) else index.astype(np.int32)


def as_tags(values: Mapping[str, Any]) -> Tags:
    """Return the tags of `{"weather": "fog"}`.

    Raises:
        RecordingError: It is no such mapping, is empty, or a value is neither text nor a number.
    """
    if not isinstance(values, Mapping) or not values:
        raise RecordingError(
            f"{values!r} names no slice", fix='Give names and values: slice(weather="fog").'
        )
    return tuple(sorted((_name(name), _text(name, value)) for name, value in values.items()))


def as_columns(columns: Mapping[str, Any], rows: int) -> dict[str, list[str]]:
    """Return one value of each name for each row, as text.

    Args:
        columns: By name, a sequence, array or tensor of N values.
        rows: N.

    Raises:
        RecordingError: A column has another length, or holds neither text nor numbers.
    """
    if not isinstance(columns, Mapping) or not columns:
        raise RecordingError(
            f"{columns!r} names no slice",
            fix='Give one value for each row: slices={"weather": ["fog", "sun", ...]}.',
        )
    result = {}
    for name, values in columns.items():
        values = values.tolist() if hasattr(values, "tolist") else values
        if isinstance(values, str) or not isinstance(values, Sequence):
            raise RecordingError(
                f"slice {name}: {type(values).__name__} is not one value for each row",
                fix="Give a list, an array or a tensor of N values, or the same value for all rows "
                f'with: with idc.slice({name}="..."):',
            )
        if len(values) != rows:
            raise RecordingError(
                f"slice {name} has {plural(len(values), 'value')} for {plural(rows, 'row')}",
                "Which row belongs to which slice is not clear; nothing was recorded.",
                "Give one value for each row.",
            )
        result[_name(name)] = [_text(name, value) for value in values]
    return result


def _name(name: Any) -> str:
    if not isinstance(name, str) or not name.strip():
        raise RecordingError(
            f"{name!r} is not the name of a slice", fix='Names are text: {"weather": "fog"}.'
        )
    return name.strip()


def _text(name: str, value: Any) -> str:
    if not isinstance(value, _PLAIN):
        raise RecordingError(
            f"slice {name}: {type(value).__name__} is neither text nor a number",
            fix="A value names the slice: text, a whole number, True or False.",
        )
    return str(value)
