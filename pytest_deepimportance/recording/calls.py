"""Calls of a module that was compiled in place: they bypass every hook."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch


class PassTaker(Protocol):
    """What a compiled call reports to (a watch)."""

    @property
    def attached(self) -> bool:
        """Whether calls are recorded now."""

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any], compiled: bool = False) -> None:
        """Take note that the call begins."""

    def end(self, output: Any) -> None:
        """Take note that the call returned, or raised."""

    def take_compiled_mark(self) -> bool:
        """Forget that the module ran inside a compiled graph."""


class CompiledCall:
    """Reports each call of a module that was compiled in place (`model.compile()`).

    It sits in `module._compiled_call_impl`, which torch leaves out of copies and pickles.

    Args:
        watch: Measures the pass by a second forward: hooks do not fire in compiled code.
        original: The compiled form.
    """

    def __init__(self, watch: PassTaker, original: Callable[..., Any]) -> None:
        self.watch = watch
        self.original = original

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the compiled form."""
        if torch.compiler.is_compiling() or not self.watch.attached:
            return self.original(*args, **kwargs)
        self.watch.begin(args, kwargs, compiled=True)
        try:
            output = self.original(*args, **kwargs)
        except Exception:
            self.watch.end(None)
            raise
        self.watch.end(output)
        self.watch.take_compiled_mark()
        return output


def without_idle(compiled: Callable[..., Any] | None) -> Callable[..., Any] | None:
    """Return the compiled form below stand-ins whose watch was detached before another's."""
    while isinstance(compiled, CompiledCall) and not compiled.watch.attached:
        compiled = compiled.original
    return compiled
