"""Builtins and bytes as one byte string: how a block's state travels and how it is stored.

Four bytes with the length of a JSON text, the text, then all byte strings one after another. Equal
values give equal bytes, so that states are compared and named by their content.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pytest_deepimportance.errors import DataFileError

_BYTES, _MAP, _SET = "\0bytes", "\0map", "\0set"


def pack(value: Any) -> bytes:
    """Return `value` as bytes; tuples come back as lists.

    Raises:
        DataFileError: It holds something beside builtins and bytes.
    """
    blobs: list[bytes] = []
    end = 0

    def placed(item: Any) -> Any:
        """Return what stands for an object that JSON does not know."""
        nonlocal end
        if isinstance(item, bytes):
            start, end = end, end + len(item)
            blobs.append(item)
            return {_BYTES: [start, end]}
        if isinstance(item, (set, frozenset)):
            return {_SET: sorted(item)}
        if isinstance(item, Mapping):
            return dict(item)
        raise _foreign(item)

    # By name, so that equal values give equal bytes whatever the order of their keys.
    encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=placed).encode
    text = encode(value if _only_names(value) else _mapped(value)).encode()
    return b"".join((len(text).to_bytes(4, "little"), text, *blobs))


def _foreign(item: Any) -> DataFileError:
    kind = type(item)
    return DataFileError(
        f"a state holds a {kind.__module__}.{kind.__qualname__}",
        "States travel between processes and machines as builtins and bytes only.",
        "Return builtins, bytes or numpy arrays from get_extra_state().",
    )


def _only_names(value: Any) -> bool:
    """Whether all keys are text: JSON would turn others into text in silence."""
    if isinstance(value, dict):
        for key, item in value.items():
            if type(key) is not str:
                return False
            kind = type(item)
            if (kind is dict or kind is list or kind is tuple) and not _only_names(item):
                return False
        return True
    if isinstance(value, (list, tuple)) and value:
        for item in value:
            kind = type(item)
            if (kind is dict or kind is list or kind is tuple) and not _only_names(item):
                return False
    return True


def _mapped(value: Any) -> Any:
    """Return `value` with mappings of other keys written as pairs."""
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value):
            return {key: _mapped(item) for key, item in value.items()}
        pairs = sorted(value.items(), key=lambda pair: (type(pair[0]).__name__, pair[0]))
        return {_MAP: [[key, _mapped(item)] for key, item in pairs]}
    if isinstance(value, (list, tuple)):
        return [_mapped(item) for item in value]
    return value


def unpack(data: bytes) -> Any:
    """Return the value that `pack` made these bytes of.

    Raises:
        DataFileError: They are not of `pack`'s making.
    """
    size = int.from_bytes(data[:4], "little")
    body = memoryview(data)[4 + size :]

    def placed(item: dict[str, Any]) -> Any:
        """Return what an object of the text stands for; inner ones come first."""
        if _BYTES in item:
            start, end = item[_BYTES]
            if not 0 <= start <= end <= len(body):
                raise ValueError("a byte string lies outside")
            return bytes(body[start:end])
        if _MAP in item:
            return {tuple(k) if isinstance(k, list) else k: value for k, value in item[_MAP]}
        return set(item[_SET]) if _SET in item else item

    try:
        return json.loads(data[4 : 4 + size], object_hook=placed)
    except (ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
        raise unreadable(error) from error


def unreadable(error: Exception) -> DataFileError:
    """Return what is said of bytes that are not of our making."""
    return DataFileError(
        f"a stored state cannot be read ({error})",
        "Its bytes are not what this version writes.",
        "Run the tests again.",
    )
