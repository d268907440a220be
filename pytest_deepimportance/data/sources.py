"""The Python files of the user's project, and the names they are imported by."""

from __future__ import annotations

import keyword
import os
from collections.abc import Iterator
from pathlib import Path

SKIPPED_FOLDERS = frozenset(
    {"venv", "env", "virtualenv", "site-packages", "node_modules", "__pycache__", "build", "dist"}
)
"""Folders that never hold the user's own modules (hidden ones are skipped as well)."""

_MOST_FILES = 2000


def python_files(root: Path, skip: frozenset[str] = frozenset()) -> Iterator[Path]:
    """Yield the user's Python files below `root`, at most 2,000, in a stable order.

    Args:
        root: Folder to search; links to folders are not followed.
        skip: Names of further folders to leave out, beside hidden ones and virtual environments.
    """
    found = 0
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(
            name
            for name in folders
            if name not in SKIPPED_FOLDERS
            and name not in skip
            and not name.startswith(".")
            and not os.path.exists(os.path.join(folder, name, "pyvenv.cfg"))
        )
        for file in sorted(files):
            if file.endswith(".py"):
                yield Path(folder, file)
                found += 1
                if found >= _MOST_FILES:
                    return


def import_base(file: Path) -> Path:
    """Return the folder that pytest puts on `sys.path` for `file`: the first that is no package."""
    base = file.parent
    while (base / "__init__.py").is_file() and base.parent != base:
        base = base.parent
    return base


def module_name(file: Path, root: Path) -> str | None:
    """Return the dotted name `file` has when `root` is on `sys.path`, None if it has none."""
    try:
        parts = list(file.relative_to(root).with_suffix("").parts)
    except ValueError:
        return None
    if parts and parts[-1] == "__init__":
        parts.pop()
    name = ".".join(parts)
    return name if is_dotted(name) else None


def is_dotted(text: str) -> bool:
    """Return whether `text` is a name, or names joined by dots."""
    return all(part.isidentifier() and not keyword.iskeyword(part) for part in text.split("."))
