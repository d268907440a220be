"""What a pass must leave as it was, also when user code raises."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pytest_deepimportance.attribution.lrp.engine import LrpAttribution
from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.errors import ForwardError
from pytest_deepimportance.models.sites import find_sites
from tests.attribution.nets import (
    noise,
    realistic,
)


def _snapshot(model: nn.Module) -> tuple:
    """Return all that must not change."""
    return (
        {name: (id(t), t.clone(), t._version) for name, t in model.state_dict().items()},
        [(id(p), p.requires_grad, p.grad) for p in model.parameters()],
        [(m.training, dict(m.__dict__["_forward_hooks"])) for m in model.modules()],
        [(dict(m._forward_pre_hooks), sorted(m.__dict__)) for m in model.modules()],
        [(id(b), b._version) for b in model.buffers()],
        torch.get_rng_state().tolist(),
        random.getstate(),
        np.random.get_state()[1].tolist(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
    )


def _same(before: tuple, after: tuple) -> None:
    for (_, old, version), (_, new, now) in zip(before[0].values(), after[0].values(), strict=True):
        assert torch.equal(old, new)
        assert version == now
    assert before[1:] == after[1:]


class _Stateful(nn.Module):
    """Draws numbers, writes a buffer, and is partly in train mode."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)
        self.drop, self.head = nn.Dropout(0.5), nn.Linear(4, 3)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.seen += len(x)
        torch.rand(3)
        random.random()
        np.random.rand()
        return self.head(self.drop(self.bn(self.conv(x)).relu()).mean((2, 3)))


def _raise(*_: object) -> None:
    raise KeyError("user code")


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize(
    "name", ["squeezenet1_1", "mobilenet_v3_small", "shufflenet_v2_x0_5", "vit_b_16", "swin_t"]
)
def test_known_architectures_are_left_as_they_were(name: str, fails: bool) -> None:
    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    side, extra = (32, {"image_size": 32}) if name == "vit_b_16" else (64, {})
    net = models.get_model(name, weights=None, **extra).eval()
    first = next(m for m in net.modules() if not list(m.children()))
    first.train()
    x = noise(2, 3, side, side, dtype=torch.float32)
    sites = find_sites(net, as_call(x))
    engine = LrpAttribution(net, sites, [s.name for s in sites.candidates()])
    last = [m for m in net.modules() if not list(m.children())][-1]
    handle = last.register_forward_hook(_raise) if fails else None
    before = _snapshot(net)
    if fails:
        with pytest.raises(ForwardError) as raised:
            engine.attribute(as_call(x))
        assert isinstance(raised.value.__cause__, KeyError)
    else:
        engine.attribute(as_call(x))
    _same(before, _snapshot(net))
    if handle is not None:
        handle.remove()


@pytest.mark.parametrize("fails", [None, "forward", "backward"])
@pytest.mark.parametrize("outside", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_the_model_is_left_as_it_was(fails: str | None, outside: Callable) -> None:
    net = realistic(_Stateful())
    net.bn.train()
    net.conv.weight.requires_grad_(False)
    x = noise(3, 1, 6, 6)
    sites = find_sites(net, as_call(x))
    engine = LrpAttribution(net, sites, [sites.candidates()[0].name])

    def explode(*_: object) -> None:
        raise KeyError("user code")

    with outside():
        if fails == "forward":
            net.head.register_forward_pre_hook(explode)
        if fails == "backward":

            def hook(module: nn.Module, args: object, output: Tensor) -> None:
                output.register_hook(explode)

            net.drop.register_forward_hook(hook)
            engine = LrpAttribution(net, sites, [sites.candidates()[0].name], check_forward=False)
        before = _snapshot(net)
        if fails is None:
            assert engine.attribute(as_call(x)).conservation.balance < 1e-6
        else:
            error = ForwardError if fails == "forward" else KeyError
            with pytest.raises(error, match="user code"):
                engine.attribute(as_call(x))
        _same(before, _snapshot(net))
