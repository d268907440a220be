"""reproduce.sh: what to type to make the record again."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_deepimportance.formatting import clean
from pytest_deepimportance.provenance import PACKAGES
from pytest_deepimportance.results import Report

_FILES = ("model", "weights", "profile", "reference", "null")
"""Settings that may name a file."""

_WHEELS = "https://download.pytorch.org/whl/"
_BUILD = re.compile(r"\+(cpu|cu\d+|rocm[\d.]+)$")
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Invocation:
    """How the program was started.

    Attributes:
        command: Program and arguments.
        folder: Where it was started.
        inputs: Specifications of input data, some of which may name files.
    """

    command: Sequence[str]
    folder: Path
    inputs: Sequence[str] = ()


def script(reports: Sequence[Report], invocation: Invocation) -> str:
    """Return the shell script.

    Args:
        reports: One per measured model.
        invocation: How the run that made them was started.
    """
    lines = [
        "#!/bin/sh",
        "# Makes this record again. Run it in the folder that the first run was started in,",
        f"# here called {clean(invocation.folder.name)}; keep a copy of the first record.",
        "# What else the project needs, beside the packages below, is its own to say.",
        "set -eu",
        "",
        *_packages(reports[0]),
        *_hashes(reports, invocation),
        "# The command line of the run",
        *_addopts(),
        shlex.join(invocation.command),
    ]
    return "\n".join(lines) + "\n"


def _packages(report: Report) -> list[str]:
    """Pin what is installed; torch comes from the index that its build stands in."""
    found = report.environment
    pins = [f"pytest-deepimportance=={report.version}"]
    pins += [f"{name}=={found[name]}" for name in PACKAGES if name in found]
    build = _BUILD.search(found.get("torch", ""))
    index = [f"--extra-index-url {_WHEELS}{build[1]}"] if build else []
    lines = [*index, *(shlex.quote(pin) for pin in pins)]
    return [
        f"# Python {clean(found.get('python', 'of unknown version'))}",
        "python -m pip install \\",
        *(f"  {line} \\" for line in lines[:-1]),
        f"  {lines[-1]}",
        "",
    ]


def _hashes(reports: Sequence[Report], invocation: Invocation) -> list[str]:
    """Say what model, profile and reference were, by hash; those that are files are checked."""
    lines = ["# Fingerprints that the new record must carry"]
    for report in reports:
        for what, text in (
            ("model", report.model.fingerprint),
            ("profile", report.profile.fingerprint),
            ("reference", report.reference.fingerprint),
        ):
            lines.append(f"#   {what:<9} {clean(text) or 'none'}")
    files = [(_relative(path, invocation.folder), path) for path in _files(reports, invocation)]
    if files:
        lines += ["", "# Files of the run", "sha256sum --check - <<'END_OF_FILES'"]
        lines += [f"{_sha256(path)}  {name}" for name, path in sorted(files)]
        lines.append("END_OF_FILES")
    return [*lines, ""]


def _files(reports: Sequence[Report], invocation: Invocation) -> list[Path]:
    settings = [row for report in reports for row in report.settings if row.name in _FILES]
    values = {*invocation.inputs, *(row.value for row in settings)} - {""}
    # A name that would break out of the list cannot be checked there.
    paths = {invocation.folder / value for value in values if value.isprintable()}
    return [path for path in paths if path.is_file()]


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()


def _sha256(path: Path) -> str:
    hashed = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            hashed.update(chunk)
    return hashed.hexdigest()


def _addopts() -> list[str]:
    given = os.environ.get("PYTEST_ADDOPTS")
    return [f"export PYTEST_ADDOPTS={shlex.quote(given)}"] if given else []
