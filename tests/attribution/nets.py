"""Small networks for the tests of attribution, in float64 with realistic statistics."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pytest_deepimportance.attribution.base import AttributionBatch
from pytest_deepimportance.attribution.lrp.engine import LrpAttribution
from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.models.sites import find_sites


def realistic(model: nn.Module, seed: int = 0, dtype: torch.dtype = torch.float64) -> nn.Module:
    """Give every bias and every batch norm values as after training."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in model.modules():
            for name, parameter in module.named_parameters(recurse=False):
                if "bias" in name:
                    parameter.normal_(0, 0.2, generator=generator)
                elif parameter.dim() > 1:
                    fan = parameter[0].numel()
                    parameter.normal_(0, (2 / fan) ** 0.5, generator=generator)
            if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.affine:
                module.weight.uniform_(0.5, 1.5, generator=generator)
            if getattr(module, "running_mean", None) is not None:
                module.running_mean.normal_(0, 0.5, generator=generator)
                module.running_var.uniform_(0.5, 2.0, generator=generator)
    return model.eval().to(dtype)


def noise(*shape: int, seed: int = 1, dtype: torch.dtype = torch.float64) -> Tensor:
    """Seeded normal numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def lrp(model: nn.Module, *inputs: Tensor, **settings: object) -> LrpAttribution:
    """Build the engine for every layer of a model."""
    sites = find_sites(model, as_call(inputs[0]))
    return LrpAttribution(model, sites, [s.name for s in sites.candidates()], **settings)


def attribute(model: nn.Module, inputs: Tensor, **settings: object) -> AttributionBatch:
    """Attribute one batch for every layer."""
    return lrp(model, inputs, **settings).attribute(as_call(inputs))


class Function(nn.Module):
    """conv -> a given function -> conv -> pool -> linear: the function sees a real signal."""

    def __init__(self, function: Callable[[Tensor], Tensor], channels: int = 4) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3)
        self.second = nn.Conv2d(channels, 3, 3)
        self.last = nn.Linear(3, 3)
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        h = self.second(self.function(self.first(x))).relu()
        return self.last(h.mean((2, 3)))


class LeNet(nn.Module):
    """LeNet with a functional flatten, as captum needs it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.relu1, self.pool1 = nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2)
        self.conv2, self.relu2, self.pool2 = nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)
        self.fc1, self.relu3 = nn.Linear(256, 32), nn.ReLU()
        self.fc2, self.relu4 = nn.Linear(32, 20), nn.ReLU()
        self.fc3 = nn.Linear(20, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool1(self.relu1(self.conv1(x)))
        x = self.pool2(self.relu2(self.conv2(x))).flatten(1)
        return self.fc3(self.relu4(self.fc2(self.relu3(self.fc1(x)))))


class SmallVgg(nn.Module):
    """Three blocks of two convolutions, and two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((3, 8), (8, 12), (12, 16)):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
            layers += [nn.Conv2d(after, after, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        self.features = nn.Sequential(*layers)
        self.hidden, self.relu, self.head = nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.relu(self.hidden(self.features(x).flatten(1))))


class Detector(nn.Module):
    """Its output is a list with one mapping for each input."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> list[dict[str, Tensor]]:
        return [{"boxes": row} for row in self.head(self.body(x).relu())]


class Residual(nn.Module):
    """conv -> [conv, bn, relu, conv, bn] + identity -> relu -> mean -> linear, with a plain +."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.conv1, self.bn1 = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.conv2, self.bn2 = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return self.head(F.relu(y + x).mean((2, 3)))


class Reused(nn.Module):
    """One convolution and one activation module called three times, and a concatenation."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.body = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3, padding=1)
        self.relu, self.head = nn.ReLU(), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        first = self.relu(self.body(self.relu(self.stem(x))))
        second = self.relu(self.body(first))
        return self.head(torch.cat([first, second], 1).amax((2, 3)))


class InPlace(nn.Module):
    """In-place operations of every kind, return values used and ignored."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.conv2, self.relu = nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(inplace=True)
        self.conv3, self.silu = nn.Conv2d(4, 4, 3, padding=1), nn.SiLU(inplace=True)
        self.head = nn.Linear(4, 3)
        self.offset = nn.Parameter(torch.randn(4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x -= 0.1
        x.mul_(2.0)
        y = self.bn(self.conv1(x))
        self.relu(y)
        identity = y.clone()
        z = self.conv2(y)
        z += identity
        z.add_(self.offset)
        z.relu_()
        w = self.conv3(z)
        self.silu(w)
        F.hardswish(w, inplace=True)
        w *= torch.sigmoid(z)
        w[:, 0] = 0
        w[:, 1:] += z[:, 1:]
        return self.head(w.mean((2, 3)))


def sequences() -> dict[str, tuple[nn.Module, Tensor]]:
    """Networks by name, with an input each: balance must hold on all of them."""
    conv3d = nn.Sequential(
        nn.Conv3d(1, 3, 2), nn.LeakyReLU(0.1), nn.BatchNorm3d(3), nn.AvgPool3d(2),
        nn.Flatten(), nn.Linear(3, 4),
    )  # fmt: skip
    conv1d = nn.Sequential(
        nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4), nn.ELU(), nn.MaxPool1d(2),
        nn.ConvTranspose1d(4, 3, 2), nn.GELU(), nn.AdaptiveAvgPool1d(2), nn.Flatten(),
        nn.Linear(6, 3),
    )  # fmt: skip
    upwards = nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2), nn.ReLU6(), nn.ConvTranspose2d(4, 2, 3, stride=2),
        nn.PReLU(2), nn.Upsample(scale_factor=2), nn.Hardswish(), nn.AdaptiveMaxPool2d(3),
        nn.Dropout(0.5), nn.Flatten(), nn.Linear(18, 5),
    )  # fmt: skip
    dense = nn.Sequential(
        OrderedDict(
            a=nn.Linear(5, 8), b=nn.Softplus(), c=nn.Linear(8, 8), d=nn.Tanh(),
            n=nn.BatchNorm1d(8), e=nn.Linear(8, 6), f=nn.Sigmoid(), g=nn.Linear(6, 4),
        )
    )  # fmt: skip
    return {
        "conv3d": (conv3d, noise(3, 1, 4, 4, 4)),
        "conv1d": (conv1d, noise(4, 2, 9)),
        "upwards": (upwards, noise(3, 1, 9, 9)),
        "dense": (dense, noise(6, 5)),
        "residual": (Residual(), noise(3, 2, 6, 6)),
        "reused": (Reused(), noise(3, 1, 6, 6)),
        "in place": (InPlace(), noise(3, 1, 6, 6)),
    }
