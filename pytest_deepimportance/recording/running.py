"""Whether a call of a module is still on this thread's stack.

torch calls no hook where an exit or a timeout (`SystemExit`, `pytest.skip`, no `Exception`) unwinds
a call. If the test catches it, the next call must not be taken for a part of the one that is gone.
"""

from __future__ import annotations

import sys
from types import CodeType, FrameType
from typing import Any

from torch import nn

from pytest_deepimportance.recording.calls import CompiledCall

_CALL: CodeType = nn.Module._call_impl.__code__
_COMPILED: CodeType = CompiledCall.__call__.__code__


def runs_around(module: nn.Module | None) -> bool:
    """Whether a call of `module` runs around the call that one of our hooks was called for."""
    own = True
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code is _CALL or frame.f_code is _COMPILED:
            if not own and _called(frame) is module:
                return True
            own = False
        frame = frame.f_back
    return False


def _called(frame: FrameType) -> Any:
    called = frame.f_locals["self"]
    if frame.f_code is _COMPILED:
        return called.watch.module
    return getattr(called, "_orig_mod", called)
