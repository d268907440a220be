"""The one hook that a model carries in unmarked tests: it only counts."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from pytest_deepimportance.recording.counters import Counters
from pytest_deepimportance.recording.inert import InertHook


class CallCounter(InertHook):
    """Forward hook that only counts."""

    def __init__(self, totals: Counters) -> None:
        self._totals = totals

    def __call__(self, module: nn.Module, args: Any, output: Any) -> None:
        """Count one completed call."""
        if not torch.compiler.is_compiling():
            self._totals.add("unmarked_passes")
