"""The tap rule, case by case: what a layer's output goes through, and where it is read."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.models.sites import find_sites


class Net(nn.Module):
    """A layer `a`, whatever happens to its output, and a layer `out`."""

    def __init__(self, between, layer=None, **modules):
        super().__init__()
        self.a = nn.Linear(4, 6) if layer is None else layer
        self.between = between
        for name, module in modules.items():
            setattr(self, name, module)
        self.out = nn.LazyLinear(2)

    def forward(self, x):
        return self.out(self.between(self, self.a(x)))


def site_of_a(between, x=None, **modules):
    torch.manual_seed(0)
    x = torch.randn(3, 4) if x is None else x
    model = Net(between, **modules)
    model(x.clone())
    sites = find_sites(model.eval(), as_call(x))
    site = sites.find("a")
    assert site.units == (6 if isinstance(model.a, nn.Linear) else model.a.out_channels)
    return site


class SwishInPlace(nn.Module):
    def forward(self, x):
        return x.mul_(torch.sigmoid(x))


class SoftplusByHand(nn.Module):
    def forward(self, x):
        return torch.log(1 + torch.exp(x))


class Scaled(nn.Module):
    def forward(self, x):
        return 1.7 * F.relu(x)


class SwishFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx, gradient):
        return gradient


class SwishModule(nn.Module):
    def forward(self, x):
        return SwishFunction.apply(x)


@pytest.mark.parametrize("kind", [SwishInPlace, SoftplusByHand, SwishModule, nn.PReLU, nn.SELU])
def test_an_activation_module_is_one_activation_however_it_is_written(kind):
    site = site_of_a(lambda net, h: net.act(h), act=kind())
    assert site.activation == "act"
    assert site.reading.module == "act"
    assert not site.flags


def test_the_first_activation_counts_not_what_its_module_does_after():
    site = site_of_a(lambda net, h: net.act(h), act=Scaled())
    assert (site.reading.module, site.reading.function) == ("a", "relu")


STEPS = {
    "batch norm": lambda net, h: net.bn(h),
    "layer norm": lambda net, h: F.layer_norm(h, (6,)),
    "rms norm": lambda net, h: (
        F.normalize(h) if not hasattr(F, "rms_norm") else F.rms_norm(h, (6,))
    ),
    "dropout": lambda net, h: F.dropout(h, 0.3, net.training),
    "clone": lambda net, h: h.clone().contiguous(),
    "scale by a parameter": lambda net, h: h * net.scale,
    "scale and shift by numbers": lambda net, h: (2 * h - 1) / 3,
    "shift by a parameter": lambda net, h: h + net.scale.abs(),
    "in-place scale": lambda net, h: h.mul_(net.scale),
    "view": lambda net, h: h.view(len(h), 6, 1)[:, :, 0],
    "cast": lambda net, h: h.double().float(),
    "detached copy beside": lambda net, h: (setattr(net, "kept", h.detach()), h)[1],
    "shape queries": lambda net, h: h.reshape(h.size(0), h.shape[1]) if h.dim() == 2 else h,
}


@pytest.mark.parametrize("name", STEPS)
def test_per_channel_steps_are_crossed(name):
    site = site_of_a(
        lambda net, h: torch.tanh(STEPS[name](net, h)),
        bn=nn.BatchNorm1d(6), scale=nn.Parameter(torch.rand(6)),
    )  # fmt: skip
    assert site.activation == "tanh"
    assert not site.flags


STOPS = {
    "pooling": lambda net, h: F.max_pool1d(h[:, None], 2)[:, 0],
    "concatenation": lambda net, h: torch.cat([h, h], 1),
    "chunk": lambda net, h: h.chunk(2, 1)[0],
    "gate": lambda net, h: F.glu(h, 1),
    "product of signals": lambda net, h: h * net.other(h),
    "square": lambda net, h: h * h,
    "reciprocal": lambda net, h: 1 / (h.abs() + 1),
    "softmax": lambda net, h: h.softmax(1),
    "matmul": lambda net, h: h @ h.t(),
    "flatten into another axis": lambda net, h: h.view(-1, 3, 2).transpose(1, 2).flatten(1),
    "slice": lambda net, h: h[:, :5],
    "broadcast add": lambda net, h: h + h.mean(1, keepdim=True),
    "residual add without activation": lambda net, h: h + net.other(h.detach()),
}


@pytest.mark.parametrize("name", STOPS)
def test_everything_else_stops(name):
    def between(net, h):
        stopped = STOPS[name](net, h)
        return F.relu(stopped) if name != "residual add without activation" else stopped

    x = torch.randn(2, 4)  # the rows of the probe, so that h @ h.T keeps its shape
    site = site_of_a(between, x, other=nn.Linear(6, 6))
    assert site.activation is None
    assert site.flags == ("no activation",)
    assert site.reading.module == "a"


def test_readers_of_two_kinds():
    site = site_of_a(lambda net, h: torch.cat([torch.relu(h), h], 1))
    assert site.activation == "relu"
    assert site.flags == ("branches",)
    site = site_of_a(lambda net, h: torch.cat([torch.relu(h), torch.relu(h)], 1))
    assert site.flags == ()
    site = site_of_a(lambda net, h: torch.cat([net.bn(h).relu(), h], 1), bn=nn.BatchNorm1d(6))
    assert site.flags == ("no activation",)


def test_only_one_add_is_crossed():
    def chain(net, h):
        return torch.relu(h + net.b(torch.ones_like(h)) + net.c(torch.ones_like(h)))

    site = site_of_a(chain, b=nn.Linear(6, 6), c=nn.Linear(6, 6))
    assert site.flags == ("no activation",)
    site = site_of_a(lambda net, h: torch.relu(net.bn(h + net.b(h.detach()))),
                     b=nn.Linear(6, 6), bn=nn.BatchNorm1d(6))  # fmt: skip
    assert site.flags == ("shared", "residual")
    assert set(site.feeders) == {"a", "b"}


@pytest.mark.parametrize(
    ("between", "axis"),
    [
        (lambda net, h: torch.relu(h), 1),
        (lambda net, h: torch.relu(h.permute(0, 2, 3, 1)), -1),
        (lambda net, h: torch.relu(h.movedim(1, 2)), 2),
        (lambda net, h: torch.relu(h.flatten(2)), 1),
        (lambda net, h: torch.relu(h.flatten(2).mT), -1),
        (lambda net, h: torch.relu(h.reshape(len(h), 5, -1)), 1),
        (lambda net, h: torch.relu(h[:, None]), 2),
    ],
)
def test_the_channel_axis_is_followed(between, axis):
    x = torch.randn(3, 2, 4, 4)
    site = site_of_a(lambda net, h: between(net, h).flatten(1), x, layer=nn.Conv2d(2, 5, 3))
    assert site.channel_axis == axis
    assert site.activation is not None


def test_rows_merged_into_another_axis_stop_the_walk():
    x = torch.randn(3, 5, 4)
    site = site_of_a(lambda net, h: torch.relu(h.reshape(-1, 6)).reshape(len(h), -1), x)
    assert site.flags == ("no activation",)
    assert site.rows_are_inputs


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(nn.ReLU(), True), (nn.ReLU(inplace=True), True), (nn.LeakyReLU(), False)],
)
def test_what_is_never_negative_is_told_by_the_function_and_not_by_its_name(kind, expected):
    layers = {"fc1": nn.Linear(3, 4), "relu": kind, "fc2": nn.Linear(4, 2)}
    model = nn.Sequential(OrderedDict(layers))
    site = find_sites(model, as_call(torch.rand(2, 3))).find("fc1")
    assert site.non_negative("post") is expected
    assert not site.non_negative("pre")
