"""Writing a file at once: a reader sees the old content or the whole new one."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` to `path`, making its folder; a failure leaves what was there.

    What a writer that was killed leaves beside it is told by `partly_written`.

    Raises:
        OSError: The file cannot be written there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not by tempfile, whose files only their owner can read: these are made to be shared.
    partial = path.parent / f".{path.name}.{secrets.token_hex(8)}.part"
    try:
        with partial.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
    # The new name lasts when the folder is on the disk too; some systems cannot open folders.
    with suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def partly_written(path: Path) -> list[Path]:
    """Return what writers that were killed left beside a file."""
    return sorted(path.parent.glob(f".{path.name}.*.part"))
