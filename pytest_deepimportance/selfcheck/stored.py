"""The stored answers: made by the slow twins of the tests (`tests/oracles/make_selfcheck.py`)."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

CASES = "cases.json"
WEIGHTS = "digits_lenet.safetensors"
_FOLDER = files(__package__ or __name__.rpartition(".")[0])


@cache
def cases() -> dict[str, Any]:
    """Return the cases with their answers, by kind."""
    found: dict[str, Any] = json.loads((_FOLDER / CASES).read_text(encoding="utf-8"))
    return found


def weights() -> dict[str, Any]:
    """Return the state of the digits network."""
    from safetensors.torch import load_file

    with as_file(_FOLDER / WEIGHTS) as path:
        return load_file(Path(path))
