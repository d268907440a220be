"""Data files: read, and written in one step; see `container` for their bytes."""

from __future__ import annotations

import dataclasses
import json
import shlex
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from pytest_deepimportance import __version__
from pytest_deepimportance.atomic import partly_written, write_atomically
from pytest_deepimportance.errors import DataFileError, nearest
from pytest_deepimportance.plaindata import rebuild
from pytest_deepimportance.store.container import Damaged, begins, join, split
from pytest_deepimportance.store.content import Content, Measured, Run

DEFAULT = "deepimportance.data"
"""The name of the file, in the root folder of the tests; no dot before it, since CI services leave
hidden files out of what they keep."""

KIND = "deepimportance-data"

FORMAT = 3
"""Version of the content. History: 1 = runs, tests, blocks, counters, profiles; 2 = small blocks
keep their rows instead of states of criteria; 3 = states as form and numbers (`engine.wire`)."""

_BEGINNING = 200
"""Bytes within which the header of a data file names its kind."""

_STALE = 3600.0
"""Seconds after which a partly written file belongs to a process that was killed."""


def write(content: Content, path: Path) -> None:
    """Write a data file; a reader sees the old file or the whole new one, also after a crash.

    Raises:
        DataFileError: The file cannot be written there.
    """
    body: list[bytes] = []
    header = {
        "kind": KIND,
        "format": FORMAT,
        "version": __version__,
        "run": vars(content.run),
        "profiles": {
            fingerprint: _placed(measured, body)
            for fingerprint, measured in sorted(content.profiles.items())
        },
    }
    # Not by ensure_ascii=False: a node id may hold half of a surrogate pair.
    text = json.dumps(header, sort_keys=True, separators=(",", ":"))
    if path.is_dir():
        raise DataFileError(
            f"{path} is a folder, not a data file", fix=f"Name the file: {path / DEFAULT}"
        )
    try:
        _remove_stale(path)
        write_atomically(path, join(text, b"".join(body)))
    except OSError as error:
        raise DataFileError(
            f"the data file cannot be written to {path}: {error.strerror or error}",
            fix="Give a file in a folder you may write to.",
        ) from error


def is_ours(path: Path) -> bool:
    """Whether a file is a data file, a damaged one too: told by how it begins, or by its name."""
    if path.name == DEFAULT:
        return True
    with path.open("rb") as file:
        return KIND.encode() in file.read(_BEGINNING)


def check_replaceable(path: Path) -> None:
    """Refuse to write to a file that is something else; an empty one may be replaced.

    Raises:
        DataFileError: As said, or it cannot be read.
    """
    if not path.is_file():
        return
    try:
        replaceable = not path.stat().st_size or is_ours(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    if not replaceable:
        raise DataFileError(
            f"{path} exists, and is no data file of this plugin",
            "It may be something that cannot be made again.",
            f"Name another file, or remove it yourself: rm {path}",
        )


def read(path: Path) -> Content:
    """Read a data file.

    Raises:
        DataFileError: It is absent, damaged, of another kind or of another format.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error
    return parse(data, str(path))


def parse(data: bytes, name: str) -> Content:
    """Read the bytes of a data file called `name`.

    Raises:
        DataFileError: As for `read`.
    """
    header, body = _header(data, name)
    try:
        return Content(
            run=_run(header["run"]),
            profiles={
                fingerprint: _found(entry, body)
                for fingerprint, entry in header["profiles"].items()
            },
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataFileError(
            f"{name} is damaged: a field is missing or unknown ({error})", fix=_again(name)
        ) from error


def _again(name: str) -> str:
    return (
        f"Remove it (deepimportance erase {shlex.quote(name)}) and run the tests again: pytest "
        "writes it at the end of each session."
    )


def _header(data: bytes, name: str) -> tuple[dict[str, Any], memoryview]:
    try:
        text, body = split(data)
        header = json.loads(text)
        if not isinstance(header, dict):
            raise Damaged("its header is no table")
    except ValueError as error:
        raise _damaged(data, name, error) from error
    if header.get("kind") != KIND:
        raise DataFileError(
            f"{name} is no data file of this plugin",
            "Only what pytest wrote with --idc-data-file can be read here.",
            f"Give a file such as {DEFAULT}.",
        )
    if header.get("format") != FORMAT:
        raise DataFileError(
            f"{name} has data format {header.get('format')}, written by version "
            f"{header.get('version')}; this version ({__version__}) reads {FORMAT}",
            "Fields may mean something else there.",
            "Install the same version everywhere, and run the tests again.",
        )
    return header, body


def _damaged(data: bytes, name: str, error: Exception) -> DataFileError:
    if data.startswith(b"version https://git-lfs"):
        return DataFileError(
            f"{name} is a Git LFS pointer, not the file itself", fix="git lfs pull"
        )
    if begins(data):
        return DataFileError(
            f"{name} is damaged: {error}",
            "A number from half of the data would be wrong.",
            _again(name),
        )
    return DataFileError(
        f"{name} is no data file: {_kind(data)}",
        "Only what pytest wrote with --idc-data-file can be read here.",
        f"Give a file such as {DEFAULT}.",
    )


_KINDS = (
    (b"PK\x03\x04", "it is a zip archive, as checkpoints of torch are"),
    (b"{", "it is JSON, as a report is"),
)


def _kind(data: bytes) -> str:
    """Say what a file is that does not begin as ours do."""
    if b'"__metadata__"' in data[:64]:
        return "it is a safetensors file, of weights or a profile"
    if not data:
        return "it is empty"
    found = (kind for beginning, kind in _KINDS if data.startswith(beginning))
    return next(found, "it does not begin as one does")


def _unreadable(path: Path, error: OSError) -> DataFileError:
    if path.exists():
        return DataFileError(
            f"{path} cannot be read: {error.strerror or error}",
            fix=f"Give a data file, such as {DEFAULT}.",
        )
    there = [p.name for p in path.parent.glob("*")] if path.parent.is_dir() else []
    close = nearest(path.name, there)
    return DataFileError(
        f"data file not found: {path}",
        "It holds what the tests recorded.",
        (f"Nearest files there: {', '.join(close)}. " if close else "")
        + "Run the tests first: pytest --idc-model ... --idc-data-file=FILE",
    )


def _placed(measured: Measured, body: list[bytes]) -> dict[str, Any]:
    """Return plain data of one profile; byte strings are appended to `body`, named by length."""
    entry = {f.name: getattr(measured, f.name) for f in dataclasses.fields(measured)}
    start = sum(map(len, body))
    sizes: dict[str, dict[str, int]] = {}
    for key, by_slot in sorted(measured.blocks.items()):
        sizes[key] = {slot: len(state) for slot, state in sorted(by_slot.items())}
        body += [state for _, state in sorted(by_slot.items())]
    body.append(measured.profile)
    return {**entry, "start": start, "blocks": sizes, "profile": len(measured.profile)}


def _found(entry: dict[str, Any], body: memoryview) -> Measured:
    at = int(entry.pop("start"))

    def take(size: int) -> bytes:
        nonlocal at
        start, at = at, at + size
        if not 0 <= start <= at <= len(body):
            raise ValueError("a state lies outside the file")
        return bytes(body[start:at])

    blocks = {
        key: {slot: take(size) for slot, size in sorted(by_slot.items())}
        for key, by_slot in sorted(entry["blocks"].items())
    }
    return Measured(**{**entry, "blocks": blocks, "profile": take(entry["profile"])})


def _run(entry: dict[str, Any]) -> Run:
    found = rebuild(Run, entry)
    assert isinstance(found, Run)
    return found


def _remove_stale(path: Path) -> None:
    for partial in partly_written(path):
        with suppress(OSError):
            if time.time() - partial.stat().st_mtime > _STALE:
                partial.unlink()
