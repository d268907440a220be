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
    # Another test may have imported a package of the same name.
    own = [name for name in sys.modules if name.split(".")[0] == package]
    before = {name: sys.modules.pop(name) for name in own}
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        for module in modules:
            importlib.import_module(f"{package}.{module}")
        yield importlib.import_module(package)
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.split(".")[0] == package]:
            del sys.modules[name]
        sys.modules.update(before)
