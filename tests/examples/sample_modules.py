"""Import the examples' own packages, which are not installed, for the length of a test module."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "fixtures"


@contextmanager
def imported(folder: Path, package: str, *modules: str) -> Iterator[ModuleType]:
    """Yield `package` of `folder` with its `modules` imported, and forget it afterwards."""
    sys.path.insert(0, str(folder))
    try:
        for module in modules:
            importlib.import_module(f"{package}.{module}")
        yield importlib.import_module(package)
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.split(".")[0] == package]:
            del sys.modules[name]
