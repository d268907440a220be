"""What makes runs inside tests cheap: libraries that stay imported, commands that start at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.pytester import SysModulesSnapshot

from tests.warm import warm_commands

# Where Python may not write bytecode (many containers say so), every process that a test starts compiles
# this project anew, with pytest's rewriting of asserts: seconds each.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Workers with as many threads each as there are cores wait for one another: each has its share. Set
# before torch is imported, and handed on to every process that a test starts.
if "PYTEST_XDIST_WORKER_COUNT" in os.environ:
    share = (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, share)))

# pytester forgets what a run imported. The next one would import it anew: slowly, with a second copy
# of every class, and torch's compiler, which registers its parts with torch, refuses to be loaded twice.
KEPT = {
    "hypothesis", "numpy", "pytest_deepimportance", "rich", "sklearn", "sympy", "torch",
    "torchvision", "triton",
}  # fmt: skip


@pytest.fixture(autouse=True, scope="session")
def _libraries_stay_imported() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        forget = SysModulesSnapshot.restore

        def keep(self: SysModulesSnapshot) -> None:
            libraries = {
                name: module
                for name, module in sys.modules.items()
                if name.partition(".")[0] in KEPT
            }
            forget(self)
            sys.modules.update(libraries)

        patch.setattr(SysModulesSnapshot, "restore", keep)
        yield


@pytest.fixture(scope="session")
def warm() -> Iterator[Path]:
    """The folder of a `python` that need not import torch: one server for all tests of a process."""
    with warm_commands() as folder:
        yield folder
