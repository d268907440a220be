"""A second forward, apart from the user's own: where a model trains, or runs compiled."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from pytest_deepimportance.models.restore import evaluating
from pytest_deepimportance.recording.gradients import tensors_in

_APART = threading.local()


def measuring_apart() -> bool:
    """Whether this thread runs a second forward; it is no pass to any other recorder."""
    return getattr(_APART, "on", False)


@contextmanager
def untouched(module: nn.Module, inputs: Any) -> Iterator[None]:
    """Run the module once more without a trace: modes and random state are put back."""
    devices = {t.device.index or 0 for t in tensors_in(inputs) if t.device.type == "cuda"}
    devices |= {p.device.index or 0 for p in module.parameters() if p.device.type == "cuda"}
    _APART.on = True
    try:
        with torch.random.fork_rng(devices=sorted(devices)), evaluating(module), torch.no_grad():
            yield
    finally:
        _APART.on = False
