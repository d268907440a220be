"""Captured sessions of docs pages: blocks `<!-- session: NAME -->` of `$ command` lines with their output.

`python -m tests.examples.sessions` writes the real output into the pages; the test compares.
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
"""Page -> block -> commands, run one after the other in a copy of the sample project."""


def run(commands: tuple[str, ...], folder: Path) -> str:
    """Return what a reader who types `commands` in the sample project sees."""
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
            command, shell=True, cwd=folder / "sample_project", env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600,
        )  # fmt: skip
        text += f"$ {command}\n{result.stdout}"
    return readme.shortened(text)


def main() -> None:
    """Write the real output into every page."""
    for page, blocks in SESSIONS.items():
        with tempfile.TemporaryDirectory() as name:
            folder = readme.checkout(Path(name))
            found = {block: run(commands, folder) for block, commands in blocks.items()}
        text = (DOCS / page).read_text(encoding="utf-8")
        text = BLOCK.sub(lambda match, found=found: match[1] + found[match[2]] + match[4], text)
        (DOCS / page).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
