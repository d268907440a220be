"""What the tests of the attribution methods share: networks cut at a layer, snapshots, shortcuts."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pytest_deepimportance.attribution.base import Attribution, AttributionBatch, accepted, create
from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.methods import METHOD_NAMES
from pytest_deepimportance.models.sites import find_sites

CAPTUM = tuple(name for name in METHOD_NAMES if name not in ("lrp", "random"))
DETERMINISTIC = tuple(name for name in METHOD_NAMES if name != "gradient-shap")


class Cut(nn.Module):
    """conv -> softplus -> linear -> softplus -> linear, by functions; smooth, so that sums converge."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.hidden, self.last = nn.Conv2d(1, 3, 2), nn.Linear(12, 5), nn.Linear(5, 4)

    def before(self, x: Tensor) -> Tensor:
        """The convolution's activations (3, 2, 2) of one input (1, 3, 3)."""
        return F.softplus(self.conv(x[None]))[0]

    def after(self, h: Tensor) -> Tensor:
        """The class scores (4,) of activations (3, 2, 2)."""
        return self.last(F.softplus(self.hidden(h.flatten())))

    def forward(self, x: Tensor) -> Tensor:
        h = F.softplus(self.conv(x))
        return self.last(F.softplus(self.hidden(h.flatten(1))))


def made(
    method: str, model: nn.Module, batch: Any, layers: Any = None, **settings: Any
) -> Attribution:
    """Create a method for the hidden layers of a model, with those settings that it knows."""
    sites = find_sites(model, as_call(batch))
    known = {name: value for name, value in settings.items() if name in accepted(method)}
    names = layers or [site.name for site in sites.candidates()]
    return create(method, model=model, sites=sites, layers=names, **known)


def run(method: str, model: nn.Module, batch: Any, **settings: Any) -> AttributionBatch:
    """Attribute one batch."""
    return made(method, model, batch, **settings).attribute(as_call(batch))


def snapshot(model: nn.Module) -> dict[str, Any]:
    """Everything that must be as before: attributes, hooks, modes, weights, gradients."""
    found: dict[str, Any] = {}
    for name, module in model.named_modules():
        for key, value in vars(module).items():
            if isinstance(value, dict):
                value = {k: id(v) for k, v in value.items()}
            elif not isinstance(value, (bool, int, float, str, type(None))):
                value = id(value)
            found[f"{name}.{key}"] = value
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        found[f"tensor {name}"] = (
            tensor.detach().clone().tolist(), tensor.requires_grad, tensor.grad, tensor._version
        )  # fmt: skip
    return found


def random_state() -> tuple[Any, ...]:
    """The states of the random generators."""
    import random

    import numpy as np

    return (torch.get_rng_state().tolist(), random.getstate(), str(np.random.get_state()))
