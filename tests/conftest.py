"""Libraries that an in-process run of pytest imports stay imported after it."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from _pytest.pytester import SysModulesSnapshot

# pytester forgets what a run imported. The next one would import it anew: slowly, with a second copy
# of every class, and torch's compiler, which registers its parts with torch, refuses to be loaded twice.
KEPT = {"hypothesis", "numpy", "pytest_deepimportance", "rich", "sklearn", "torch", "torchvision"}


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
