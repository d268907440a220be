"""The bytes of a data file: a safetensors file with a JSON text and one array of bytes.

Eight bytes with the length of the header, the header (JSON: the text as metadata, a checksum, the
length of the body), then the body. Every byte is vouched for: the header must be exactly what this
module writes for its text, and the checksum covers text and body. No pickle, and no library needed.
"""

from __future__ import annotations

import hashlib
import json

_KEY, _SUM = "idc", "sha256"


class Damaged(ValueError):
    """The bytes are not a whole file as this module writes it."""


def join(text: str, body: bytes) -> bytes:
    """Return a file of a text and a body."""
    header = _header(text, len(body), _checksum(text, body))
    return b"".join((len(header).to_bytes(8, "little"), header, body))


def begins(data: bytes) -> bool:
    """Whether the first bytes of a file are ours, whole or damaged (64 bytes are enough)."""
    return f'"__metadata__":{{"{_KEY}":'.encode() in data[:64]


def split(data: bytes) -> tuple[str, memoryview]:
    """Return text and body of a file.

    Raises:
        Damaged: A byte is missing, added or changed, or the file is none of ours.
    """
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or len(data) < 8 + size:
        raise Damaged("it is shorter than its header says")
    header, body = data[8 : 8 + size], memoryview(data)[8 + size :]
    try:
        parsed = json.loads(header)
        metadata = parsed["__metadata__"]
        text, said = metadata[_KEY], metadata[_SUM]
        length = parsed["body"]["shape"][0]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise Damaged("its header cannot be read") from error
    if not (isinstance(text, str) and isinstance(said, str) and isinstance(length, int)):
        raise Damaged("its header cannot be read")
    if length != len(body):
        raise Damaged(f"it holds {len(body)} bytes of data instead of {length}")
    if said != _checksum(text, body) or header != _header(text, length, said):
        raise Damaged("its content does not match its checksum")
    return text, body


def _header(text: str, length: int, checksum: str) -> bytes:
    header = {
        "__metadata__": {_KEY: text, _SUM: checksum},
        "body": {"dtype": "U8", "shape": [length], "data_offsets": [0, length]},
    }
    written = json.dumps(header, separators=(",", ":")).encode()
    return written + b" " * (-len(written) % 8)


def _checksum(text: str, body: bytes | memoryview) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass"))
    digest.update(body)
    return digest.hexdigest()
