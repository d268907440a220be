"""When two models are the same, straight from the definition: the same entries, bit for bit."""

from __future__ import annotations

import struct

from torch import nn


def same_model(one: nn.Module, other: nn.Module) -> bool:
    left = {name: value for name, value in one.state_dict().items()}
    right = {name: value for name, value in other.state_dict().items()}
    if sorted(left) != sorted(right):
        return False
    for name in left:
        if name.endswith("num_batches_tracked"):
            continue
        if left[name].dtype != right[name].dtype or left[name].shape != right[name].shape:
            return False
        ours = [struct.pack("<d", value) for value in left[name].double().flatten().tolist()]
        theirs = [struct.pack("<d", value) for value in right[name].double().flatten().tolist()]
        if ours != theirs:
            return False
    modules = [(name, type(module).__name__) for name, module in one.named_modules()]
    return modules == [(name, type(module).__name__) for name, module in other.named_modules()]
