"""Which modules of the model are running: read from the frames, so that no hook is needed."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from torch import nn


def modules_around(names: Mapping[int, str]) -> list[nn.Module]:
    """Return the modules whose methods are running, the innermost first, each once.

    Args:
        names: Name of each module of the model, by `id`.
    """
    found: dict[int, nn.Module] = {}
    frame = sys._getframe(1)
    while frame is not None:
        module = frame.f_locals.get("self")
        if isinstance(module, nn.Module) and id(module) in names:
            found.setdefault(id(module), module)
        frame = frame.f_back  # type: ignore[assignment]
    return list(found.values())
