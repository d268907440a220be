"""Files of the repository outside of docs/ that pages link to, brought into the site.

Links in docs/ are written as GitHub follows them (`../README.md`). MkDocs knows docs/ only: what
such links lead to is added under repository/, and the links are made to lead there.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).parent
DOCS = ROOT / "docs"
LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add what pages link to outside of docs/, and what that links to."""
    waiting = sorted(DOCS.glob("*.md"))
    found: set[Path] = set()
    while waiting:
        for target in _targets(waiting.pop()):
            if DOCS not in target.parents and target not in found:
                found.add(target)
                waiting += [target] if target.suffix == ".md" else []
    for path in sorted(found):
        files.append(
            File.generated(
                config, _place(path), abs_src_path=str(path), inclusion=InclusionLevel.NOT_IN_NAV
            )
        )
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Make links that leave docs/, or are in a page from outside of it, lead to the site's copy."""
    home = Path(page.file.abs_src_path)

    def led(match: re.Match[str]) -> str:
        target = _resolved(home, match[1])
        if target is None or (home.parent == DOCS and DOCS in target.parents):
            return match[0]
        there = posixpath.relpath(_place(target), posixpath.dirname(page.file.src_uri) or ".")
        return f"]({there}{match[2] or ''})"

    return LINK.sub(led, markdown)


def _targets(page: Path) -> Iterator[Path]:
    for link, _ in LINK.findall(page.read_text(encoding="utf-8")):
        target = _resolved(page, link)
        if target is not None:
            yield target


def _resolved(page: Path, link: str) -> Path | None:
    """Return the file that a link leads to; of a folder its README, as GitHub shows it."""
    target = Path(os.path.normpath(page.parent / link))
    target = target / "README.md" if target.is_dir() else target
    return target if target.is_file() and ROOT in target.parents else None


def _place(path: Path) -> str:
    """Return where a file stands in the site."""
    if DOCS in path.parents:
        return path.relative_to(DOCS).as_posix()
    inside = path.relative_to(ROOT)
    name = inside.name.lower() if inside.suffix == ".md" else inside.name  # README.md is an index
    return posixpath.join("repository", inside.parent.as_posix(), name).replace("/./", "/")
