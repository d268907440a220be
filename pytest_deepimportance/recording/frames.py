"""One pass of one thread: call numbers, the modules around a function, the function mode."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import (
    TorchFunctionMode,
    _get_current_function_mode_stack,
    _pop_mode,
    _push_mode,
)

from pytest_deepimportance.models.sitemap import Site
from pytest_deepimportance.models.tracing import is_countable
from pytest_deepimportance.recording.inert import InertHook

Taker = Callable[[Site, Any], bool]
"""Called with a site and the output of its module; whether that was taken."""


class Pass:
    """Counters of one pass of one thread.

    Attributes:
        calls: Calls so far, by the name of what is counted.
        frames: Modules being called, outermost first: name, call number, function calls so far.
        mode: The function mode of the pass, if it needs one.
        quiet: Whether functions called now are those of a hook, not of the model.
        as_it_is: Is asked first to take a site whose tensor is a module's output.
    """

    __slots__ = ("as_it_is", "calls", "frames", "mode", "quiet")

    def __init__(self, as_it_is: Taker | None = None) -> None:
        self.as_it_is = as_it_is
        self.calls: dict[str, int] = {}
        self.frames: list[tuple[str, int, Counter[str]]] = []
        self.mode: ReadingMode | None = None
        self.quiet = False


class Passes(threading.local):
    """The pass of each thread: `here` is the one of the thread that asks, None if it has none."""

    here: Pass | None = None


class Frame:
    """A module between whose calls function calls are numbered."""

    __slots__ = ("_passes", "name")

    def __init__(self, passes: Passes, name: str) -> None:
        self._passes = passes
        self.name = name

    def enter(self) -> None:
        """Count a call of the module; functions called from now on are its own."""
        passing = self._passes.here
        if passing is None:
            return
        key = f"frame {self.name}"
        number = passing.calls.get(key, 0)
        passing.calls[key] = number + 1
        passing.frames.append((self.name, number, Counter()))

    def leave(self) -> None:
        """Return to the frame around it."""
        passing = self._passes.here
        if passing is not None and len(passing.frames) > 1:
            passing.frames.pop()


class EnterFrame(InertHook):
    """Forward pre-hook that enters a frame."""

    __slots__ = ("_frame",)

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    def __call__(self, module: nn.Module, args: Any) -> None:
        """Enter, unless a compiler is only tracing."""
        if not torch.compiler.is_compiling():
            self._frame.enter()


class LeaveFrame(InertHook):
    """Forward hook that leaves a frame."""

    __slots__ = ("_frame",)

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    def __call__(self, module: nn.Module, args: Any, output: Any) -> None:
        """Leave, unless a compiler is only tracing."""
        if not torch.compiler.is_compiling():
            self._frame.leave()


class ReadingMode(TorchFunctionMode):
    """Sees the functions that sites are read at, during one pass.

    Args:
        wanted: Names of these functions, by callable.
        passing: The pass.
        called: Told of each call with its pass, name and result; returns what takes its place.
    """

    def __init__(
        self,
        wanted: Mapping[Any, str],
        passing: Pass,
        called: Callable[[Pass, str, Tensor], Tensor],
    ) -> None:
        super().__init__()
        self._wanted = wanted
        self._passing = passing
        self._called = called

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Call the function, then tell of it."""
        result = func(*args, **(kwargs or {}))
        name = self._wanted.get(func)
        if name is None or self._passing.quiet or not is_countable(result):
            return result
        taken = self._called(self._passing, name, result)
        if taken is not result and args and result is args[0]:
            result.copy_(taken)  # an in-place call: its caller may ignore what is returned
            return result
        return taken

    def install(self) -> None:
        """Make this the innermost mode of the thread."""
        _push_mode(self)  # type: ignore[no-untyped-call]

    def remove(self) -> None:
        """Take this mode off, also from under modes that an exception left above it."""
        stack = _get_current_function_mode_stack()  # type: ignore[no-untyped-call]
        if not any(item is self for item in stack):
            return
        above: list[Any] = []
        while (top := _pop_mode()) is not self:  # type: ignore[no-untyped-call]
            above.append(top)
        for item in reversed(above):
            _push_mode(item)  # type: ignore[no-untyped-call]
