"""Captured sessions of docs pages: blocks `<!-- session: NAME -->` of `$ command` lines with their output.

`python -m tests.examples.sessions [PAGE ...]` writes the real output into the pages; the test compares. Blocks
`<!-- file: NAME -->` and `<!-- more of: NAME -->` above a session are files that the reader has made by then.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.examples import readme

DOCS = readme.ROOT / "docs"
BLOCK = re.compile(r"(<!-- session: (\w+) -->\n```\n)(.*?)(```\n)", re.DOTALL)
FILE = re.compile(r"<!-- (file|more of): (\S+) -->\n```\w*\n(.*?)```\n", re.DOTALL)

SESSIONS = {
    "audit.md": {
        "sample_project": (
            "python -m pytest -q --idc-report=audit:idc-audit",
            "ls idc-audit",
            "cd idc-audit && sha256sum --check SHA256SUMS",
            "tail -n 2 idc-audit/reproduce.sh",
            'python -c \'import json; [print(row["requirement"], row["suite"], len(row["tests"]), '
            'row["verdict"], sep=" | ") for row in '
            'json.load(open("idc-audit/report.json"))["reports"][0]["requirements"]]\'',
        ),
        "refused": ("python -m pytest -q --idc-report=audit:app",),
    },
    "tutorial.md": {
        "train": ("python train.py",),
        "first": ("python -m pytest",),
        "gate": ("python -m pytest -q; echo exit status $?",),
        "met": ("python -m pytest; echo exit status $?",),
    },
    "which-tests.md": {
        "tests": (
            "python -m pytest -q",
            "deepimportance tests --criteria IDC",
        ),
    },
    "ci.md": {
        "shards": (
            "python -m pytest -q --idc-shard --idc-data-file=shards/1.data tests/test_clean.py",
            "python -m pytest -q --idc-shard --idc-data-file=shards/2.data --deselect "
            "tests/test_clean.py",
            "deepimportance combine shards -o deepimportance.data",
            "deepimportance report --quiet; echo exit status $?",
            "deepimportance report --quiet --fail-under IDC=0.9; echo exit status $?",
        ),
    },
}
"""Page -> block -> commands, run one after the other in one folder."""


def captured(page: str, folder: Path) -> dict[str, str]:
    """Follow a page from top to bottom in a checkout or, if it makes its own files, an empty folder."""
    text = (DOCS / page).read_text(encoding="utf-8")
    files = list(FILE.finditer(text))
    place = folder / "project" if files else readme.checkout(folder) / "sample_project"
    place.mkdir(exist_ok=True)
    found = {}
    for block in BLOCK.finditer(text):
        while files and files[0].start() < block.start():
            how, name, content = files.pop(0).groups()
            with (place / name).open("w" if how == "file" else "a", encoding="utf-8") as file:
                file.write(content if how == "file" else "\n\n" + content)
        found[block[2]] = run(SESSIONS[page][block[2]], place)
    return found


def run(commands: tuple[str, ...], place: Path) -> str:
    """Return what a reader who types `commands` in this folder sees."""
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "IDC_", "CI"))
    }
    environment |= {
        "PATH": str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"],
        "COLUMNS": "80",
        "NO_COLOR": "1",
        "LC_ALL": "C",
        "PYTHONDONTWRITEBYTECODE": "1",  # a listing of a folder is then the same everywhere
    }
    text = ""
    for command in commands:
        result = subprocess.run(
            command, shell=True, cwd=place, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600,
        )  # fmt: skip
        text += f"$ {command}\n{result.stdout}"
    text = text.replace(f"{place.resolve()}{os.sep}", "")
    # Of weights that were trained on this machine, the last bits are its own.
    text = re.sub(r"(screening\S* )[0-9a-f]{8}\b", r"\1........", text)
    return readme.shortened(text)


def main(names: list[str]) -> None:
    """Write the real output into the named pages (default: all)."""
    for page in names or SESSIONS:
        with tempfile.TemporaryDirectory() as folder:
            found = captured(page, Path(folder))
        text = (DOCS / page).read_text(encoding="utf-8")
        text = BLOCK.sub(lambda match, found=found: match[1] + found[match[2]] + match[4], text)
        (DOCS / page).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
