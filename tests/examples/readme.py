"""README's output blocks: where they come from, and how they are compared.

A block is named by a comment `<!-- readme: NAME -->` on the line before it and starts with `$ command`.
`python -m tests.examples.readme` writes the real output into the README; the test compares. What differs
from machine to machine and run to run (times, versions, folders) is shortened the same way in both.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
BLOCK = re.compile(r"<!-- readme: (\w+) -->\n```\n(.*?)```\n", re.DOTALL)

COMMANDS = {
    "screen": "python -m pytest sample_project",
    "layers": "deepimportance layers ../fixtures/digits_lenet.pth --factory app.model:DigitsLeNet",
    "failed": "python -m pytest -q --idc-fail-under clean/share=0.999 tests/test_clean.py",
    "profile": "deepimportance profile build ../fixtures/digits_lenet.pth "
    "--factory app.model:DigitsLeNet --reference app.data:load_reference -o digits.idc",
}
"""Block name -> command."""

FOLDERS = {"screen": "."}
"""Where a command runs, when not in sample_project."""


def checkout(folder: Path) -> Path:
    """Copy what the commands need into `folder`."""
    for part in ("sample_project", "fixtures"):
        shutil.copytree(
            ROOT / part,
            folder / part,
            ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache", "*.idc"),
        )
    return folder


def run(name: str, folder: Path) -> tuple[int, str]:
    """Run the command of a block; return its exit status and its output, shortened."""
    scripts = str(Path(sys.executable).parent)
    # With CI set, pytest prints its summary lines in full.
    ours = ("PYTEST_", "IDC_", "COV_", "CI", "BUILD_NUMBER")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    environment = {
        **clean,
        "PATH": scripts + os.pathsep + os.environ["PATH"],
        "COLUMNS": "80",
        "NO_COLOR": "1",
    }
    result = subprocess.run(
        COMMANDS[name].split(),
        cwd=folder / FOLDERS.get(name, "sample_project"),
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    return result.returncode, shortened(f"$ {COMMANDS[name]}\n{result.stdout}{result.stderr}")


def shortened(text: str) -> str:
    """Leave out what differs between machines and runs."""
    lines = [
        line.rstrip()
        for line in text.splitlines()
        if not line.startswith(
            ("platform ", "rootdir: ", "plugins: ", "cachedir: ", "configfile: ")
        )
        and "nanobind" not in line
        and not line.startswith((" - leaked", " - ... skipped"))
    ]
    joined = "\n".join(lines) + "\n"
    joined = re.sub(r"idc: model \S*/fixtures/", "idc: model fixtures/", joined)
    joined = re.sub(r"=+ (.* in) [\d.]+s( \(.*\))? =+", r"==== \1 1.23s ====", joined)
    joined = re.sub(r"\b(\d+ (?:passed|failed).* in) [\d.]+s", r"\1 1.23s", joined)
    joined = re.sub(r"\([\d,]+ bytes\)", "(... bytes)", joined)
    joined = re.sub(r"^profile    [0-9a-f]{16}$", "profile    ...", joined, flags=re.MULTILINE)
    return re.sub(r"balance \S+", "balance ...", joined)


def blocks() -> dict[str, str]:
    """Return the named blocks as they stand in the README."""
    return dict(BLOCK.findall(README.read_text(encoding="utf-8")))


def main() -> None:
    """Write the real output into the README."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = checkout(Path(name))
        text = README.read_text(encoding="utf-8")
        for block in blocks():
            output = run(block, folder)[1]
            text = BLOCK.sub(
                lambda match, block=block, output=output: (
                    match[0]
                    if match[1] != block
                    else f"<!-- readme: {block} -->\n```\n{output}```\n"
                ),
                text,
            )
        README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
