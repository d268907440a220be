"""The table of functions: every spelling is recognised and can be applied again."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

from pytest_deepimportance.models.functions import (
    ACTIVATIONS,
    apply,
    name_of,
    recorded_arguments,
    spellings,
)


class Noting(TorchFunctionMode):
    """Notes the calls of functions that are activations."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = name_of(func)
        if name in ACTIVATIONS:
            self.seen.append((name, recorded_arguments(name, args, kwargs)))
        return func(*args, **kwargs)


SPELLED = {
    "relu": [F.relu, torch.relu, torch.Tensor.relu, torch.relu_, F.relu_, nn.ReLU(), nn.ReLU(True)],
    "relu6": [F.relu6, lambda x: F.relu6(x, inplace=True)],
    "leaky_relu": [F.leaky_relu, lambda x: F.leaky_relu(x, 0.3), lambda x: F.leaky_relu_(x, 0.3),
                   nn.LeakyReLU(0.2), nn.LeakyReLU(0.2, inplace=True)],
    "elu": [F.elu, lambda x: F.elu(x, 0.5), nn.ELU(0.7), nn.ELU(0.7, True)],
    "selu": [F.selu, torch.selu, torch.selu_, nn.SELU()],
    "celu": [F.celu, lambda x: torch.celu(x, 0.4), lambda x: torch.celu_(x, 0.4), nn.CELU(0.4)],
    "gelu": [F.gelu, lambda x: F.gelu(x, approximate="tanh"), nn.GELU(), nn.GELU("tanh")],
    "silu": [F.silu, nn.SiLU(), nn.SiLU(True)],
    "mish": [F.mish, nn.Mish(), nn.Mish(True)],
    "hardswish": [F.hardswish, nn.Hardswish(True)],
    "hardsigmoid": [F.hardsigmoid, nn.Hardsigmoid()],
    "hardtanh": [F.hardtanh, lambda x: F.hardtanh(x, -0.5, 2.0), nn.Hardtanh(-0.1, 0.1, True)],
    "sigmoid": [torch.sigmoid, F.sigmoid, torch.Tensor.sigmoid, torch.Tensor.sigmoid_, nn.Sigmoid(),
                torch.special.expit],
    "tanh": [torch.tanh, F.tanh, torch.Tensor.tanh, torch.tanh_, nn.Tanh()],
    "softplus": [F.softplus, lambda x: F.softplus(x, 2.0, 10.0), nn.Softplus(3.0)],
    "softsign": [F.softsign, nn.Softsign()],
    "logsigmoid": [F.logsigmoid, nn.LogSigmoid()],
    "tanhshrink": [F.tanhshrink, nn.Tanhshrink()],
    "hardshrink": [F.hardshrink, lambda x: torch.hardshrink(x, 0.3), nn.Hardshrink(0.2)],
    "softshrink": [F.softshrink, lambda x: F.softshrink(x, 0.3), nn.Softshrink(0.2)],
    "rrelu": [F.rrelu, nn.RReLU(0.1, 0.2).eval()],
    "threshold": [lambda x: F.threshold(x, 0.1, 2.0), nn.Threshold(0.1, 2.0, True)],
    "clamp": [lambda x: x.clamp(min=0), lambda x: torch.clamp(x, -1, 1), lambda x: x.clip(0, 6),
              lambda x: x.clamp_(0)],
    "clamp_min": [lambda x: x.clamp_min(0.2), lambda x: torch.clamp_min(x, 0.2)],
    "clamp_max": [lambda x: x.clamp_max(0.2), lambda x: x.clamp_max_(0.2)],
    "sin": [torch.sin, torch.Tensor.sin, torch.Tensor.sin_],
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*nn.functional.(tanh|sigmoid) is deprecated")
@pytest.mark.parametrize("name", sorted(SPELLED))
def test_every_spelling_has_one_name_and_the_recorded_call_repeats_it(name):
    x = torch.linspace(-3, 3, 31)
    for spelling in SPELLED[name]:
        with Noting() as noting:
            expected = spelling(x.clone())
        assert [seen for seen, _ in noting.seen] == [name]
        arguments = noting.seen[0][1]
        assert arguments is not None
        assert "inplace" not in dict(arguments)
        before = x.clone()
        assert torch.equal(apply(name, x, arguments), expected)
        assert torch.equal(x, before)


def test_every_activation_is_tried_above():
    assert ACTIVATIONS - {"prelu"} == set(SPELLED)


def test_an_argument_that_is_a_tensor_cannot_be_recorded():
    x = torch.randn(2, 3)
    with Noting() as noting:
        F.prelu(x, torch.full((1,), 0.2))
        x.clamp(min=torch.zeros(3))
    assert noting.seen == [("prelu", None), ("clamp", None)]


@pytest.mark.parametrize(
    ("name", "calls"),
    [
        ("add", [lambda a, b: a + b, torch.add, lambda a, b: a.add_(b), lambda a, b: 1 + a]),
        ("sub", [lambda a, b: a - b, torch.sub, lambda a, b: a.sub_(b), lambda a, b: 1 - a]),
        ("mul", [lambda a, b: a * b, torch.mul, lambda a, b: a.mul_(b), lambda a, b: 2 * a]),
        ("div", [lambda a, b: a / b, torch.div, lambda a, b: a.div_(b), lambda a, b: 1 / a]),
    ],
)
def test_operators_have_names_too(name, calls):
    class Names(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            seen.append(name_of(func))
            return func(*args, **(kwargs or {}))

    for call in calls:
        seen, a, b = [], torch.ones(2), torch.ones(2)
        with Names():
            call(a, b)
        assert seen == [name]


def test_other_functions_keep_their_own_name():
    assert name_of(torch.Tensor.squeeze_) == "squeeze"
    assert name_of(torch.Tensor.__setitem__) == "__setitem__"
    assert name_of(torch.Tensor.T.__get__) == "T"
    assert name_of([]) == "list"


def test_unknown_names_are_refused():
    with pytest.raises(KeyError):
        spellings("frobnicate")
    with pytest.raises(KeyError):
        apply("matmul", torch.ones(1))
