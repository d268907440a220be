"""Where a forward pass leaves torch's gradients, looked for once no path leads back."""

from __future__ import annotations

import dataclasses
import traceback
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from pytest_deepimportance.attribution.lrp.passing import copied
from pytest_deepimportance.attribution.lrp.running import run_model
from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.errors import IdcError, own_place_in

_NUMPY = ".numpy()"
_LEAVING = {
    Tensor.detach: ".detach()",
    Tensor.detach_: ".detach_()",
    Tensor.data.__get__: ".data",  # type: ignore[attr-defined]
    Tensor.numpy: _NUMPY,
    Tensor.__array__: _NUMPY,
    Tensor.item: ".item()",
    Tensor.tolist: ".tolist()",
}

HARMLESS_TO_LRP = frozenset(
    {".detach()", ".detach_()", ".data", "torch.no_grad()", "torch.inference_mode()"}
)
"""What LRP looks through, since it follows the operations themselves."""


class _Cuts(TorchFunctionMode):
    """Notes what cuts a tensor with gradients off, and where in the user's code."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        # What became of a detached tensor tells more than that it was detached.
        cause = _LEAVING.get(func, "")
        if cause == _NUMPY or any(map(_followed, args)):
            if torch.is_inference_mode_enabled():
                cause = "torch.inference_mode()"
            elif not torch.is_grad_enabled():
                cause = "torch.no_grad()"
            if cause and cause not in self.found:
                self.found[cause] = own_place_in(traceback.extract_stack())
        return func(*args, **(kwargs or {}))


def _followed(value: Any) -> bool:
    """Whether a tensor has gradients; `run_model` itself detaches parameters."""
    return isinstance(value, Tensor) and value.requires_grad and not isinstance(value, nn.Parameter)


def cuts(model: nn.Module, call: ModelCall) -> dict[str, str]:
    """Return what cuts the inputs off from the output, such as `torch.no_grad()`, and where.

    The pass is for words only: where it fails, nothing is found.
    """
    mode = _Cuts()

    def begun(value: Any) -> Any:
        floating = isinstance(value, Tensor) and value.is_floating_point()
        return value.requires_grad_() if floating else value

    args = tuple(begun(value) for value in copied(call.args))
    kwargs = {name: begun(value) for name, value in copied(call.kwargs).items()}
    try:
        with torch.enable_grad(), mode:
            run_model(model, dataclasses.replace(call, args=args, kwargs=kwargs))
    except (IdcError, RuntimeError):
        return {}
    return mode.found
