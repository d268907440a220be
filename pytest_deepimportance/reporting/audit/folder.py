"""The folder of a bundle: what may be replaced, and how it is written."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pytest_deepimportance.errors import ReportError

FILES = ("audit.html", "report.json", "reproduce.sh")
SUMS = "SHA256SUMS"

_ELSEWHERE = "Give another folder, or move what is in it: audit:DIR"


def check(folder: Path) -> None:
    """Refuse a folder that holds anything but a bundle as it was written.

    Raises:
        ReportError: It is no folder, or holds files that a bundle has not, or changed ones.
    """
    try:
        names = sorted(os.listdir(folder)) if os.path.lexists(folder) else []
    except OSError as error:
        raise ReportError(
            f"audit:{folder} is not a folder that can be read: {error.strerror or error}",
            "A bundle is a folder of four files.",
            _ELSEWHERE,
        ) from error
    if not names:
        return
    strange = [name for name in names if name not in (*FILES, SUMS)]
    if strange:
        raise ReportError(
            f"audit:{folder} holds {strange[0]}"
            + (f" and {len(strange) - 1} more" if len(strange) > 1 else "")
            + ", which is no file of an audit bundle",
            "A bundle replaces its whole folder, and nothing is deleted that it did not write.",
            _ELSEWHERE,
        )
    changed = _changed(folder)
    if changed:
        raise ReportError(
            f"audit:{folder}: {changed} is not as {SUMS} there says",
            "It was changed after it was written (signed, perhaps), or is not ours.",
            _ELSEWHERE,
        )


def _changed(folder: Path) -> str:
    """Return the first file that the list of hashes does not vouch for, or nothing."""
    try:
        sums = (folder / SUMS).read_bytes()
    except OSError:
        return SUMS
    try:
        found = {name: (folder / name).read_bytes() for name in FILES}
    except OSError as error:
        return Path(str(error.filename)).name
    listed = set(sums.decode("utf-8", "replace").splitlines())
    return next((name for name in FILES if _sum(name, found[name]) not in listed), "")


def _sum(name: str, content: bytes) -> str:
    return f"{hashlib.sha256(content).hexdigest()}  {name}"


def write(folder: Path, texts: Mapping[str, str]) -> Path:
    """Write a bundle beside `folder`, then put it in its place.

    Args:
        texts: Content of each of FILES.

    Raises:
        ReportError: See `check`; or it cannot be written there.
    """
    check(folder)
    target = Path(os.path.realpath(folder))
    slot = uuid.uuid4().hex[:8]
    new, old = (target.parent / f".{target.name}.{slot}.{kind}" for kind in ("new", "old"))
    try:
        new.mkdir(parents=True)
        # Names that are no UTF-8 reach Python as lone surrogates: JSON writes them so too.
        contents = {name: text.encode("utf-8", "backslashreplace") for name, text in texts.items()}
        sums = "".join(_sum(name, contents[name]) + "\n" for name in sorted(contents))
        for name, content in {**contents, SUMS: sums.encode()}.items():
            (new / name).write_bytes(content)
        if target.exists():
            os.rename(target, old)
        os.rename(new, target)
    except OSError as error:
        if old.exists() and not target.exists():
            os.rename(old, target)
        raise ReportError(
            f"the audit bundle cannot be written to {folder}: {error.strerror or error}",
            fix="Give a folder inside one that you may write to: audit:DIR",
        ) from error
    finally:
        _remove(new)
    _remove(old)
    return folder


def _remove(folder: Path) -> None:
    """Delete the files that a bundle has, and the folder if nothing else is in it."""
    with suppress(OSError):
        for name in (*FILES, SUMS):
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()
