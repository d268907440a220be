"""Measuring in eval mode, and leaving every submodule in the mode it was in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.modules.instancenorm import _InstanceNorm


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put `model` in eval mode inside, and give every submodule its own mode back afterwards.

    The flags are set one by one, as `eval` does, but a user's own `eval` or `train` is not called:
    it may do more (merge weights, freeze layers), which could not be undone.
    """
    before = [(module, module.training) for module in model.modules()]
    try:
        for module, training in before:
            if training:
                module.training = False
        yield
    finally:
        for module, training in before:
            if module.training != training:
                module.training = training


def depends_on_mode(model: nn.Module) -> bool:
    """Return whether any submodule computes something else in train mode than in eval mode.

    Known modules of torch are judged by their settings (a dropout of 0 does not count); others by
    whether a method they define reads `training`. Scripted modules count, since they hide it.
    """
    return any(_depends(module) for module in model.modules())


def _depends(module: nn.Module) -> bool:
    if isinstance(module, torch.jit.ScriptModule):
        return True
    if isinstance(module, _DropoutNd) and module.p > 0:
        return True
    if isinstance(module, (_BatchNorm, _InstanceNorm)) and module.running_mean is not None:
        return True
    if isinstance(module, nn.RReLU):
        return bool(module.lower != module.upper)
    if isinstance(module, nn.MultiheadAttention):
        return bool(module.dropout > 0)
    if isinstance(module, nn.RNNBase) and module.num_layers > 1 and module.dropout > 0:
        return True
    return any(_reads_training(kind) for kind in type(module).__mro__ if not _is_torchs_own(kind))


def _is_torchs_own(kind: type) -> bool:
    return kind is object or kind.__module__.startswith("torch.nn.modules.")


def _reads_training(kind: type) -> bool:
    for name, value in vars(kind).items():
        method: Any = getattr(value, "__func__", getattr(value, "fget", value))
        if name in ("__init__", "train", "eval") or not isinstance(method, FunctionType):
            continue
        if _names_training(method.__code__):
            return True
    return False


def _names_training(code: CodeType) -> bool:
    return "training" in code.co_names or any(
        isinstance(inner, CodeType) and _names_training(inner) for inner in code.co_consts
    )
