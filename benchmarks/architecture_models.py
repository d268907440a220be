"""The models of docs/architectures.md: a name, how to build one, and inputs for it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from pytest_deepimportance.data.batches import ModelCall, as_call

BATCHES = 4
"""Training-mode batches of noise that batch norm takes its statistics from."""


@dataclass(frozen=True)
class Architecture:
    """One row of the table.

    Attributes:
        build: Returns the model in eval mode, with seeded random weights.
        inputs: Returns a call of so many rows.
        rows: Rows of the passes that are timed.
    """

    build: Callable[[], nn.Module]
    inputs: Callable[[int], ModelCall]
    rows: int = 4


def images(side: int, rows: int, seed: int = 0) -> Tensor:
    """Return seeded noise (rows, 3, side, side); brightness varies from image to image."""
    generator = torch.Generator().manual_seed(seed)
    light = torch.rand(rows, 3, 1, 1, generator=generator) + 0.5
    return light * torch.randn(rows, 3, side, side, generator=generator)


def with_statistics(model: nn.Module, side: int) -> nn.Module:
    """Return the model with statistics in its batch norms as if it had seen data.

    The batches run through a copy in training mode; only its statistics are taken over.
    """
    norms = nn.modules.batchnorm._BatchNorm
    if not any(isinstance(module, norms) for module in model.modules()):
        return model.eval()
    seen = copy.deepcopy(model).train()
    for module in seen.modules():
        if isinstance(module, norms):
            module.reset_running_stats()
            module.momentum = None  # the mean of all batches
    with torch.no_grad():
        for batch in range(BATCHES):
            seen(images(side, 4, seed=100 + batch))
    for name, buffer in model.named_buffers():
        if "running" in name:
            buffer.copy_(seen.get_buffer(name))
    return model.eval()


def _torchvision(name: str, side: int) -> nn.Module:
    import torchvision

    extra = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
    torch.manual_seed(0)
    model = torchvision.models.get_model(name, weights=None, **extra)
    return with_statistics(with_head(model), side)


def with_head(model: nn.Module) -> nn.Module:
    """Return the model with seeded weights in linear layers that start at zero (ViT's head)."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.Linear) and not module.weight.any():
            nn.init.normal_(module.weight, 0.0, 0.02, generator=generator)
    return model


def _vision(name: str, side: int = 224) -> Architecture:
    return Architecture(
        partial(_torchvision, name, side),
        lambda rows: as_call(images(side, rows, seed=1)),
        16 if name == "mobilenet_v3_small" else 4,  # near what a micro-batch holds
    )


TORCHVISION = (
    "alexnet", "vgg16", "vgg16_bn", "squeezenet1_1", "googlenet", "inception_v3", "resnet18",
    "resnet50", "resnext50_32x4d", "densenet121", "mobilenet_v2", "mobilenet_v3_small",
    "efficientnet_b0", "shufflenet_v2_x1_0", "mnasnet1_0", "regnet_y_400mf", "convnext_tiny",
    "vit_b_16", "swin_t", "maxvit_t",
)  # fmt: skip

ARCHITECTURES: Mapping[str, Architecture] = {
    name: _vision(name, 299 if name == "inception_v3" else 224) for name in TORCHVISION
}
"""By name, in the order of the table. A new row is one entry here."""
