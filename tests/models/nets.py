"""Small nets with their sites written by hand.

Each net has `sites`: names in execution order, and `manual(x)`: what each site must hold, computed
step by step without the package.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Mlp(nn.Module):
    """Sequential inside, module activations."""

    sites = ("body.fc1", "body.fc2", "head")
    default = "body.fc2"
    shape = (5,)

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            OrderedDict(fc1=nn.Linear(5, 7), act1=nn.ReLU(), fc2=nn.Linear(7, 4), act2=nn.Tanh())
        )
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))

    def manual(self, x: Tensor) -> dict[str, Tensor]:
        first = torch.relu(F.linear(x, self.body.fc1.weight, self.body.fc1.bias))
        second = torch.tanh(F.linear(first, self.body.fc2.weight, self.body.fc2.bias))
        return {
            "body.fc1": first,
            "body.fc2": second,
            "head": F.linear(second, self.head.weight, self.head.bias),
        }


class FunctionalLeNet(nn.Module):
    """Functional activations in several spellings, batch norm, dropout, in-place."""

    sites = ("conv1", "conv2", "fc1", "fc2", "fc3")
    default = "fc2"
    shape = (1, 12, 12)

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn = nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3)
        self.conv2 = nn.Conv2d(3, 4, 3)
        self.fc1, self.fc2, self.fc3 = nn.Linear(16, 9), nn.Linear(9, 6), nn.Linear(6, 3)
        self.bn.running_mean.uniform_(-1, 1)
        self.bn.running_var.uniform_(0.5, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.bn(self.conv1(x)), inplace=True), 2)
        x = F.max_pool2d(self.conv2(x).clamp_(min=0), 2)[:, :, :2, :2]
        x = x.flatten(1)
        x = self.fc1(F.pad(x, (0, 16 - x.shape[1])))
        F.relu_(x)
        x = F.leaky_relu(F.dropout(self.fc2(x), 0.5, self.training), 0.3)
        return F.log_softmax(self.fc3(x), dim=1)

    def manual(self, x: Tensor) -> dict[str, Tensor]:
        a = F.relu(self.bn(F.conv2d(x, self.conv1.weight, self.conv1.bias)))
        b = F.relu(F.conv2d(F.max_pool2d(a, 2), self.conv2.weight, self.conv2.bias))
        flat = F.max_pool2d(b, 2)[:, :, :2, :2].flatten(1)
        flat = F.pad(flat, (0, 16 - flat.shape[1]))
        c = F.relu(F.linear(flat, self.fc1.weight, self.fc1.bias))
        d = F.leaky_relu(F.linear(c, self.fc2.weight, self.fc2.bias), 0.3)
        e = F.linear(d, self.fc3.weight, self.fc3.bias)
        return {"conv1": a, "conv2": b, "fc1": c, "fc2": d, "fc3": e}


class Residual(nn.Module):
    """Residual adds in three spellings, a downsampling branch, an activation used three times."""

    sites = ("stem", "conv1", "relu#2", "conv2", "relu#4", "conv3", "conv4", "fc")
    default = "conv4"
    shape = (2, 6, 6)

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.conv1, self.conv1b = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.bn = nn.BatchNorm2d(4)
        self.conv2, self.conv2b = nn.Conv2d(4, 5, 1), nn.Conv2d(5, 5, 1)
        self.down = nn.Conv2d(4, 5, 1)
        self.conv3, self.conv4 = nn.Conv2d(5, 5, 1), nn.Conv2d(5, 5, 1)
        self.fc = nn.Linear(5, 3)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.stem(x))
        out = self.bn(self.conv1b(self.relu(self.conv1(x))))
        out += x
        x = self.relu(out)
        x = self.relu(self.conv2b(self.relu(self.conv2(x))) + self.down(x))
        x = torch.add(self.conv3(x), x)  # no activation: each layer is read by itself
        x = x + self.conv4(x)
        return self.fc(x.mean((2, 3)))

    def manual(self, x: Tensor) -> dict[str, Tensor]:
        def conv(layer: nn.Conv2d, value: Tensor) -> Tensor:
            return F.conv2d(value, layer.weight, layer.bias, padding=layer.padding)

        stem = F.relu(conv(self.stem, x))
        one = F.relu(conv(self.conv1, stem))
        first = F.relu(self.bn(conv(self.conv1b, one)) + stem)
        two = F.relu(conv(self.conv2, first))
        second = F.relu(conv(self.conv2b, two) + conv(self.down, first))
        three = conv(self.conv3, second)
        total = three + second
        four = conv(self.conv4, total)
        out = F.linear((total + four).mean((2, 3)), self.fc.weight, self.fc.bias)
        return {
            "stem": stem, "conv1": one, "relu#2": first, "conv2": two, "relu#4": second,
            "conv3": three, "conv4": four, "fc": out,
        }  # fmt: skip


class FunctionalBlock(nn.Module):
    def __init__(self, width: int, gain: float) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(width, width), nn.Linear(width, width)
        self.gain = gain

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.two(F.relu(self.one(x))) + x)
        return out if self.gain == 1 else out * self.gain


class FunctionalResidual(nn.Module):
    """`F.relu(x + y)`: the first is found by a function mode only, the second is a block's output."""

    sites = ("blocks.0.one", "blocks.0.relu#1", "blocks.1.one", "blocks.1.relu#1", "out")
    default = "blocks.1.relu#1"
    shape = (4,)

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([FunctionalBlock(4, 2.0), FunctionalBlock(4, 1.0)])
        self.out = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return self.out(x)

    def manual(self, x: Tensor) -> dict[str, Tensor]:
        found = {}
        for i, block in enumerate(self.blocks):
            hidden = F.relu(F.linear(x, block.one.weight, block.one.bias))
            x = F.relu(F.linear(hidden, block.two.weight, block.two.bias) + x)
            found[f"blocks.{i}.one"], found[f"blocks.{i}.relu#1"] = hidden, x
            x = x * block.gain
        return found | {"out": F.linear(x, self.out.weight, self.out.bias)}


class Swish(nn.Module):
    """Written by hand: from outside it is one activation."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(x)


class RmsNorm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(width) + 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))


class Tokens(nn.Module):
    """[N, T, D]: hand-written norm and activation, scale by a parameter, permutes, a GLU gate."""

    sites = ("fc1", "fc2", "gate", "up", "conv", "head")
    default = "conv"
    shape = (3, 6)

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.norm, self.swish = nn.Linear(6, 8), RmsNorm(8), Swish()
        self.fc2, self.scale = nn.Linear(8, 6), nn.Parameter(torch.rand(6))
        self.gate, self.up = nn.Linear(6, 4), nn.Linear(6, 4)
        self.conv, self.head = nn.Conv1d(4, 5, 1), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = self.fc2(self.swish(self.norm(self.fc1(x))))
        h = h * self.scale + x
        h = F.silu(self.gate(h)) * self.up(h)
        h = self.conv(h.transpose(1, 2)).permute(0, 2, 1)
        return self.head(F.gelu(h, approximate="tanh").mean(1))

    def manual(self, x: Tensor) -> dict[str, Tensor]:
        def linear(layer: nn.Linear, value: Tensor) -> Tensor:
            return F.linear(value, layer.weight, layer.bias)

        normed = self.norm(linear(self.fc1, x))
        one = normed * torch.sigmoid(normed)
        two = linear(self.fc2, one) * self.scale
        h = two + x
        gate, up = F.silu(linear(self.gate, h)), linear(self.up, h)
        mixed = F.conv1d((gate * up).transpose(1, 2), self.conv.weight, self.conv.bias)
        conv = F.gelu(mixed.permute(0, 2, 1), approximate="tanh")
        return {
            "fc1": one, "fc2": two, "gate": gate, "up": up, "conv": conv,
            "head": linear(self.head, conv.mean(1)),
        }  # fmt: skip


class Reused(nn.Module):
    """One layer called three times, one registered under two names."""

    sites = ("inner", "shared", "shared#1", "shared#2", "out")
    default = "shared#2"
    shape = (4,)

    def __init__(self) -> None:
        super().__init__()
        self.inner = self.other = nn.Linear(4, 4)
        self.shared = nn.Linear(4, 4)
        self.out = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.other(x))
        for _ in range(3):
            x = F.elu(self.shared(x), alpha=0.7)
        return torch.softmax(self.out(x), dim=-1)

    def manual(self, x: Tensor) -> dict[str, Tensor]:
        found = {"inner": torch.tanh(F.linear(x, self.inner.weight, self.inner.bias))}
        x = found["inner"]
        for name in ("shared", "shared#1", "shared#2"):
            x = F.elu(F.linear(x, self.shared.weight, self.shared.bias), alpha=0.7)
            found[name] = x
        return found | {"out": F.linear(x, self.out.weight, self.out.bias)}


class Dense(nn.Module):
    """Concatenation, pooling before the activation, chunk, two kinds of readers."""

    sites = ("conv1", "conv2", "glu", "split", "out")
    default = "split"
    shape = (2, 6, 6)

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(3, 2, 3, padding=1)
        self.bn, self.glu = nn.BatchNorm2d(5), nn.Linear(5, 8)
        self.split, self.out = nn.Linear(4, 4), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        a = F.max_pool2d(self.conv1(x), 2)  # pooled before its activation
        b = torch.cat([a, self.conv2(torch.relu(a))], 1)
        h = F.relu(self.bn(b)).mean((2, 3))
        left, right = self.glu(h).chunk(2, dim=1)
        h = self.split(left * right.sigmoid())
        first, _ = h.chunk(2, 1)
        return self.out(torch.cat([torch.relu(h), first], 1))

    def manual(self, x: Tensor) -> dict[str, Tensor]:
        conv1 = F.conv2d(x, self.conv1.weight, self.conv1.bias, padding=1)
        a = F.max_pool2d(conv1, 2)
        conv2 = F.conv2d(torch.relu(a), self.conv2.weight, self.conv2.bias, padding=1)
        h = F.relu(self.bn(torch.cat([a, conv2], 1))).mean((2, 3))
        glu = F.linear(h, self.glu.weight, self.glu.bias)
        raw = F.linear(glu[:, :4] * glu[:, 4:].sigmoid(), self.split.weight, self.split.bias)
        split = torch.relu(raw)
        out = F.linear(torch.cat([split, raw[:, :2]], 1), self.out.weight, self.out.bias)
        return {"conv1": conv1, "conv2": conv2, "glu": glu, "split": split, "out": out}


NETS = (Mlp, FunctionalLeNet, Residual, FunctionalResidual, Tokens, Reused, Dense)


def made(kind: type[nn.Module], rows: int = 5) -> tuple[nn.Module, Tensor]:
    """Return a net in eval mode and inputs for it, the same at every call."""
    torch.manual_seed(0)
    model = kind().eval()
    return model, torch.randn(rows, *kind.shape)
