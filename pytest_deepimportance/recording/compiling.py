"""`module.compile()` while hooks are on: met where it is made, for no hook fires in its form."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from threading import RLock
from typing import Any

import torch
from torch import nn

Listener = Callable[[nn.Module, Callable[..., Any]], Callable[..., Any]]
"""Called with a module and its compiled call; returns what shall stand in its place."""


class Compiling:
    """Stands before `torch.compile` as long as somebody listens.

    Only what `nn.Module.compile` asks for, the compiled `_call_impl` of a module, is handed to the
    listeners; all else passes. The function of the module `torch` is replaced rather than the
    method: a change of the class `nn.Module` makes Python look up every attribute of every module
    anew.
    """

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._original: Any = None
        self._ours: Any = None
        self._lock = RLock()

    def listen(self, listener: Listener) -> None:
        """Hand every module that is compiled in place to `listener`."""
        with self._lock:
            self._listeners.append(listener)
            if len(self._listeners) == 1:
                if torch.compile is not self._original:
                    self._original, self._ours = torch.compile, self._before(torch.compile)
                torch.compile = self._ours

    def stop(self, listener: Listener) -> None:
        """Undo `listen`; a function that others put in place meanwhile stays."""
        with self._lock:
            self._listeners.remove(listener)
            if not self._listeners and torch.compile is self._ours:
                torch.compile = self._original

    def _before(self, original: Any) -> Any:
        @wraps(original)
        def compile(*args: Any, **kwargs: Any) -> Any:
            made = original(*args, **kwargs)
            asked: Any = args[0] if args else kwargs.get("model")
            if getattr(asked, "__func__", None) is nn.Module._call_impl:
                for listener in tuple(self._listeners):
                    made = listener(asked.__self__, made)
            return made

        return compile


COMPILING = Compiling()
"""The one of this process."""
