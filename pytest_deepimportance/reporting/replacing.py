"""What a report may take the place of: nothing, an empty file, or a report written before."""

from __future__ import annotations

from pathlib import Path

from pytest_deepimportance.errors import ReportError

_BEGINNINGS = (
    b"<!-- deepimportance -->",
    b"model,suite,criterion,layer,class,",
    b"% pytest-deepimportance ",
)
"""How Markdown, CSV and LaTeX begin."""

_MARKS = (b"<title>Neural network test coverage: ", b'<testsuite name="deepimportance"')
"""What stands at the beginning of a page and of a JUnit file."""

_BEGINNING = 2000
_NAMES = ("report", "drift", "comparison")
_SCHEMAS = tuple(f'"schema": "deepimportance-{name}"'.encode() for name in _NAMES)


def is_report(data: bytes) -> bool:
    """Whether the bytes of a file are a report of any type, of this version or another."""
    if data.startswith(_BEGINNINGS):
        return True
    if data.startswith((b"{", b"[")):
        return any(schema in data for schema in _SCHEMAS)
    return any(mark in data[:_BEGINNING] for mark in _MARKS)


def check(path: Path, shown: str) -> None:
    """Refuse to replace a file that is no report.

    Args:
        shown: The destination as the user wrote it.

    Raises:
        ReportError: It is something else, or cannot be read.
    """
    if not path.is_file():
        return
    data = _read(path, shown)
    if data and not is_report(data):
        raise ReportError(
            f"{shown}: {path} exists, and is no report",
            "It may be something that cannot be made again.",
            f"Give another place, or remove it yourself: rm {path}",
        )


def check_appending(path: Path, shown: str) -> None:
    """Refuse to add text to a file that holds something else.

    Raises:
        ReportError: It is no text, or cannot be read.
    """
    if path.is_file() and b"\0" in _read(path, shown):
        raise ReportError(
            f"{shown}: {path} holds no text that a summary could be added to",
            "It may be something that cannot be made again.",
            "Give another place.",
        )


def _read(path: Path, shown: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ReportError(
            f"{shown}: {path} exists and cannot be read: {error.strerror or error}",
            "It may be something that cannot be made again.",
            "Give another place.",
        ) from error
