"""The softmax that a model ends in: what is attributed is what it was given."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_FINAL: dict[Callable[..., Any], str] = {
    function: name
    for name in ("softmax", "log_softmax")
    for place in (torch, torch.Tensor, torch.special, torch.nn.functional)
    if callable(function := getattr(place, name, None))
}


class FinalActivation(TorchFunctionMode):
    """Remembers the last softmax of a pass.

    Attributes:
        name: Of the function; empty when none was called.
    """

    def __init__(self) -> None:
        super().__init__()
        self.name = ""
        self._given: Tensor | None = None
        self._result: Tensor | None = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the function and remember it if it is one of those."""
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if func in _FINAL and isinstance(result, Tensor):
            self.name = _FINAL[func]
            self._given = args[0] if args else kwargs.get("input", kwargs.get("self"))
            self._result = result
        return result

    def before(self, scores: Tensor) -> Tensor | None:
        """Return what the function was given that these scores come from, (N, C), or None."""
        if self._result is None or self._given is None:
            return None
        same = self._result.data_ptr() == scores.data_ptr()
        if not same or self._result.numel() != scores.numel():
            return None
        return self._given.reshape(scores.shape)


def watching_final(output_activation: str | None) -> AbstractContextManager[FinalActivation | None]:
    """Return a context that remembers the final softmax, for a model that ends in one."""
    return FinalActivation() if output_activation in _FINAL.values() else nullcontext()
