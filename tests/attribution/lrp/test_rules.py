"""Each function in each spelling: the value is the function's own, and the accounts balance."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pytest_deepimportance.data.batches import as_call
from tests.attribution.nets import Function, attribute, lrp, noise, realistic
from tests.oracles import reference_lrp as slow

X = noise(3, 1, 6, 6)


def written(x: Tensor, function: Callable[[Tensor], object]) -> Tensor:
    """Apply an in-place function whose return value is ignored, to a tensor of its own."""
    x = x * 1.0
    function(x)
    return x


SPELLINGS: dict[str, list[Callable[[Tensor], Tensor]]] = {
    "relu": [
        F.relu, torch.relu, Tensor.relu, nn.ReLU(), nn.ReLU(inplace=True),
        lambda x: written(x, F.relu_), lambda x: written(x, torch.relu_),
        lambda x: written(x, lambda y: F.relu(y, inplace=True)), lambda x: x.clamp(min=0),
        lambda x: torch.clamp_min(x, 0), lambda x: torch.maximum(x, torch.zeros_like(x)),
        lambda x: torch.where(x > 0, x, 0.0), lambda x: x.masked_fill(x < 0, 0.0),
        lambda x: F.threshold(x, 0.0, 0.0), lambda x: torch.relu(input=x),
    ],
    "silu": [
        F.silu, nn.SiLU(), nn.SiLU(inplace=True), lambda x: written(x, nn.SiLU(inplace=True)),
        lambda x: x * torch.sigmoid(x), lambda x: x * x.sigmoid(), lambda x: torch.sigmoid(x) * x,
        lambda x: torch.sigmoid(x).mul_(x), lambda x: x.clone().mul_(torch.sigmoid(x)),
        lambda x: x.mul(torch.special.expit(x)), lambda x: x * (1 * torch.sigmoid(x)),
    ],
    "tanh": [torch.tanh, Tensor.tanh, nn.Tanh(), lambda x: written(x, torch.tanh_), F.tanh],
    "softplus": [F.softplus, nn.Softplus(), F.softplus],
    "hardtanh": [
        lambda x: F.hardtanh(x, -0.5, 0.7), nn.Hardtanh(-0.5, 0.7), lambda x: x.clamp(-0.5, 0.7),
        lambda x: torch.clip(x, -0.5, 0.7), nn.Hardtanh(-0.5, 0.7, inplace=True),
        lambda x: written(x, lambda y: F.hardtanh(y, -0.5, 0.7, True)),
        lambda x: written(x, lambda y: y.clamp_(-0.5, 0.7)),
    ],
    "square": [torch.square, lambda x: x**2, lambda x: x.pow(2), lambda x: x * x,
               lambda x: torch.mul(x, x), lambda x: written(x, torch.square_)],
    "add a number": [
        lambda x: x + 0.3, lambda x: 0.3 + x, lambda x: torch.add(x, 0.3), lambda x: x - (-0.3),
        lambda x: -(-0.3 - x), lambda x: torch.rsub(-x, 0.3), lambda x: x.add(0.15, alpha=2),
        lambda x: written(x, lambda y: y.add_(0.3)), lambda x: x + torch.full((1, 4, 1, 1), 0.3),
        lambda x: torch.full((4, 1, 1), 0.3) + x, lambda x: torch.tensor(0.3) + x,
        lambda x: torch.add(x, 0.3, out=torch.empty(0, dtype=x.dtype)),
    ],
    "scale": [
        lambda x: x * 3, lambda x: 3 * x, lambda x: x / (1 / 3), lambda x: x.mul(3),
        lambda x: written(x, lambda y: y.mul_(3)), lambda x: written(x, lambda y: y.div_(1 / 3)),
        lambda x: x * torch.full((4, 1, 1), 3.0), lambda x: x + x + x,
        lambda x: torch.stack([x, x, x]).sum(0), lambda x: torch.einsum("nchw->nchw", x) * 3.0,
        lambda x: torch.true_divide(x, 1 / 3), lambda x: x.neg() * -3,
    ],
    "gate of channels": [
        lambda x: x * torch.sigmoid(x.mean((2, 3), keepdim=True)),
        lambda x: torch.sigmoid(x.mean((2, 3), keepdim=True)) * x,
        lambda x: x * F.adaptive_avg_pool2d(x, 1).sigmoid(),
        lambda x: x.clone().mul_(torch.sigmoid(x.mean((2, 3), keepdim=True))),
    ],
    "half each": [lambda x: x * x.roll(1, 1), lambda x: x.clone().mul_(x.roll(1, 1)),
                  lambda x: torch.mul(x.roll(1, 1), x)],
    "norm": [
        lambda x: x / x.norm(dim=1, keepdim=True), lambda x: x / x.pow(2).sum(1, True).sqrt(),
        lambda x: x * x.pow(2).sum(1, True).rsqrt(), lambda x: x.div(torch.linalg.norm(x, dim=1, keepdim=True)),
        lambda x: x.clone().div_(torch.linalg.vector_norm(x, dim=1, keepdim=True)),
    ],
    "arrange": [
        lambda x: x.permute(0, 2, 3, 1).permute(0, 3, 1, 2), lambda x: x.flatten(2).view_as(x),
        lambda x: torch.cat(x.chunk(2, 1), 1), lambda x: torch.stack(x.unbind(1), 1),
        lambda x: x.transpose(1, 2).contiguous().transpose(1, 2), lambda x: x[:, [0, 1, 2, 3]],
        lambda x: x.index_select(1, torch.arange(4)), lambda x: F.pixel_shuffle(x.flatten(1).view(3, 4, 4, 4), 1),
        lambda x: F.dropout(x, 0.5, False), lambda x: x.to(x.dtype),
        lambda x: F.pad(x, (0, 0))[:, :], lambda x: x.mT.mT,
        lambda x: x.detach(), lambda x: x.data, lambda x: torch.split(x, [4], 1)[0], nn.Identity(),
        lambda x: torch.nan_to_num(x), lambda x: x.unsqueeze(0).squeeze(0), lambda x: x.expand(3, -1, -1, -1),
    ],
}  # fmt: skip


def cases() -> list:
    return [
        pytest.param(name, index, id=f"{name}-{index}")
        for name, functions in SPELLINGS.items()
        for index in range(len(functions))
    ]


@pytest.mark.parametrize(("name", "index"), cases())
def test_every_spelling_gives_the_same_relevance(name: str, index: int) -> None:
    nets = [realistic(Function(SPELLINGS[name][i])) for i in (0, index)]
    engine = lrp(nets[1], X)
    first, other = attribute(nets[0], X), engine.attribute(as_call(X))
    assert engine.notes == ()
    assert other.conservation.balance < 1e-6
    with torch.no_grad():
        torch.testing.assert_close(other.conservation.target, float(nets[1](X).max(1).values.sum()))
    assert other.conservation.input == pytest.approx(first.conservation.input, rel=1e-4)


CONSTANTS = {
    "cat": lambda x: torch.cat([x[:, :2], torch.full_like(x[:, :2], 0.7)], 1),
    "stack": lambda x: torch.stack([x, torch.full_like(x, 0.7)]).sum(0),
    "where": lambda x: torch.where(x > 0.2, x, 0.7),
    "where tensor": lambda x: torch.where(x > 0.2, torch.full_like(x, 0.7), x),
    "masked_fill": lambda x: x.masked_fill(x > 0.2, 0.7),
    "pad": lambda x: F.pad(x, (1, 1, 1, 1), value=0.7),
    "setitem": lambda x: written(x, lambda y: y.__setitem__((slice(None), 0), 0.0)),
    "addmm": lambda x: torch.addmm(
        torch.ones(4, dtype=x.dtype), x.flatten(1)[:, :4], torch.eye(4, dtype=x.dtype)
    )[:, :, None, None].expand(-1, -1, 4, 4),
    "buffer": lambda x: written(torch.zeros_like(x), lambda y: y.__setitem__(..., x)),
    "minus": lambda x: torch.ones_like(x) - x,
    "elu": F.elu,
    "exp": torch.exp,
    "cos": torch.cos,
    "sqrt": lambda x: x.abs().sqrt(),
}


@pytest.mark.parametrize("name", CONSTANTS)
@pytest.mark.parametrize("rule", ["epsilon", "z"])
def test_constants_absorb_their_share(name: str, rule: str) -> None:
    net = realistic(Function(CONSTANTS[name]))
    engine = lrp(net, X, rule=rule)
    assert engine.attribute(as_call(X)).conservation.balance < 1e-6
    assert engine.notes == ()


def test_a_secant_equals_its_definition() -> None:
    """R_x = R_y (f(x) - f(0)) / f(x), by the slow twin, also where x is tiny."""
    net = realistic(nn.Sequential(nn.Linear(3, 5), nn.Softplus(), nn.Linear(5, 2)))
    x = noise(4, 3)
    with torch.no_grad():
        net[0].weight[2] *= 1e-9
        net[0].bias[2] = 0
    batch = attribute(net, x, epsilon=0.1)
    assert batch.conservation.balance < 1e-6
    before = attribute(net, x, epsilon=0.1, tap="pre")
    for row in range(4):
        start = slow.Node(x[row].numpy())
        z = slow.linear(start, *(p.detach().numpy() for p in net[0].parameters()), 0.1)
        a = slow.elementwise(z, lambda v: np.log1p(np.exp(v)))
        out = slow.linear(a, *(p.detach().numpy() for p in net[2].parameters()), 0.1)
        slow.propagate(out, int(out.value.argmax()))
        np.testing.assert_allclose(batch.relevance["0"][row], slow.neurons(a), rtol=1e-9)
        np.testing.assert_allclose(before.relevance["0"][row], slow.neurons(z), atol=1e-6)


class _Written(nn.Module):
    def __init__(self, in_place: bool) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.act, self.head, self.in_place = nn.ReLU(inplace=in_place), nn.Linear(4, 3), in_place

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(x)
        y = self.act(h)
        h = h if self.in_place else y
        y = self.conv2(y)
        if self.in_place:
            y.relu_()
            y += h
            y.mul_(0.5).sub_(0.1)
            F.silu(y, inplace=True)
        else:
            y = F.silu((y.relu() + h) * 0.5 - 0.1)
        return self.head(y.mean((2, 3)))


@pytest.mark.parametrize("tap", ["post", "pre"])
def test_writing_in_place_changes_neither_activations_nor_relevance(tap: str) -> None:
    plain = attribute(realistic(_Written(False)), X, tap=tap, epsilon=0.1)
    in_place = attribute(realistic(_Written(True)), X, tap=tap, epsilon=0.1)
    assert in_place.conservation.balance < 1e-6
    for name in ("conv1", "conv2"):
        layers = in_place.activations.layers[name], plain.activations.layers[name]
        torch.testing.assert_close(layers[0].values, layers[1].values)
        torch.testing.assert_close(in_place.relevance[name], plain.relevance[name])
    assert in_place.conservation.stabiliser == pytest.approx(plain.conservation.stabiliser)


def test_writing_over_what_autograd_saved_is_survived() -> None:
    """`out = relu(x); out += y` is refused by autograd, and common in inference code."""

    def function(x: Tensor) -> Tensor:
        out = x.relu()
        out += x
        return out

    net = realistic(Function(function))
    plain = realistic(Function(lambda x: x.relu() + x))
    engine = lrp(net, X)
    for _ in range(2):
        batch = engine.attribute(as_call(X))
        assert batch.conservation.input == pytest.approx(attribute(plain, X).conservation.input)


class _Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.body, self.head = nn.Embedding(9, 6), nn.Linear(6, 5), nn.Linear(5, 3)
        self.position = nn.Parameter(torch.randn(4, 6))

    def forward(self, tokens: Tensor) -> Tensor:
        h = self.embed(tokens)
        h += self.position
        return self.head(self.body(h).relu().mean(1))


@pytest.mark.parametrize("every", [0, 1])
def test_integer_inputs_start_at_the_embedding(every: int) -> None:
    net = realistic(_Tokens())
    tokens = torch.randint(0, 9, (5, 4), generator=torch.Generator().manual_seed(0))
    batch = attribute(net, tokens, conserve_every=every)
    assert batch.relevance["body"].shape == (5, 5)
    assert batch.relevance["body"].abs().sum() > 0
    if every:
        assert batch.conservation.balance < 1e-6


class _Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out, self.head = nn.Linear(4, 12), nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        weights = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(4), -1)
        return self.head(self.out(weights @ v).relu().mean(1))


def test_a_softmax_that_weights_is_a_constant() -> None:
    net, x = realistic(_Attention()), noise(3, 5, 4)
    engine = lrp(net, x)
    assert engine.attribute(as_call(x)).conservation.balance < 1e-6
    assert engine.notes == ()


@pytest.mark.parametrize(
    ("function", "note"),
    [
        (lambda x: torch.logaddexp(x, x * 2), "logaddexp in Function"),
        (lambda x: F.softmax(x, 1), "softmax in Function"),
        (lambda x: (x * x + 1).rsqrt(), "rsqrt in Function"),
        (lambda x: torch.logsumexp(x, 1, True).expand(-1, 4, -1, -1), "logsumexp in Function"),
    ],
)
def test_what_has_no_rule_is_named(function: Callable, note: str) -> None:
    engine = lrp(realistic(Function(function)), X)
    engine.attribute(as_call(X))
    assert [text.split(" has")[0] for text in engine.notes] == [note]


def test_what_carries_no_relevance_is_not_named() -> None:
    def function(x: Tensor) -> Tensor:
        torch.logcumsumexp(x, 1)
        float(x.detach().sum())
        return x if x.shape[1] == 4 and bool((x > -100).all()) else x * 2

    engine = lrp(realistic(Function(function)), X)
    assert engine.attribute(as_call(X)).conservation.balance < 1e-9
    assert engine.notes == ()


def test_batch_statistics_are_constants() -> None:
    for norm in (nn.BatchNorm2d(4, track_running_stats=False), nn.BatchNorm2d(4, affine=False)):
        assert attribute(realistic(Function(norm)), X).conservation.balance < 1e-6
