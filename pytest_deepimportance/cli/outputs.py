"""Files to write, checked before anything is computed: better refused then than afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from pytest_deepimportance.errors import ReportError


def file_for(option: str, text: str, *endings: str) -> Path:
    """Return the file that an option names; its folder is made where it is missing, and that said.

    Args:
        endings: What the name may end in, `.csv`; the kind of the file goes by it. None: anything.

    Raises:
        ReportError: Another ending, a folder of that name, or no file can be written there.
    """
    path = Path(text)
    example = f"For example: {option} {path.stem or 'found'}{endings[0] if endings else ''}"
    if path.is_dir():
        raise ReportError(f"{option} {text} is a folder, not a file", fix=example)
    if endings and path.suffix.lower() not in endings:
        accepted = " or ".join(endings)
        raise ReportError(
            f"{option} {text}: the name of the file must end in {accepted}",
            "The ending says what is in it.",
            example,
        )
    missing = not path.parent.exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass  # the folder takes files: nobody learns after hours that it does not
    except OSError as error:
        raise ReportError(
            f"{option} {text} cannot be written: {error.strerror or error}",
            "What takes long to compute must be kept.",
            f"Give a file in a folder you may write to. {example}",
        ) from error
    if missing:
        print(f"made       folder {path.parent}")
    return path


def check_files(given: Mapping[str, tuple[str | None, str]]) -> None:
    """Check the files of several options, each with the ending it must have."""
    for option, (text, ending) in given.items():
        if text is not None:
            file_for(option, text, ending)
