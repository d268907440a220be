"""Every rule of linear operations against its dense, naive twin, and its accounts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from pytest_deepimportance.attribution.lrp.engine import LrpAttribution
from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.relevance_rules import EVERYWHERE
from tests.attribution.nets import LeNet, SmallVgg, attribute, lrp, noise, realistic, sequences
from tests.oracles import reference_lrp as slow
from tests.oracles import reference_lrp_rules as twins

EPSILON = 1e-3
TWINS: dict[str, tuple[dict, twins.Rule]] = {
    "z": ({"rule": "z"}, twins.epsilon(0)),
    "epsilon": ({"rule": "epsilon", "epsilon": 0.1}, twins.epsilon(0.1)),
    "gamma": ({"rule": "gamma", "epsilon": EPSILON}, twins.gamma(0.25, EPSILON)),
    "gamma 2": ({"rule": "gamma", "gamma": 2, "epsilon": 0}, twins.gamma(2, 0)),
    "alpha-beta": ({"rule": "alpha-beta", "epsilon": EPSILON}, twins.alpha_beta(2, EPSILON)),
    "alpha 3": ({"rule": "alpha-beta", "alpha": 3, "epsilon": 0}, twins.alpha_beta(3, 0)),
    "z-plus": ({"rule": "z-plus", "epsilon": EPSILON}, twins.alpha_beta(1, EPSILON)),
    "flat": ({"rule": "flat"}, twins.flat()),
}
assert set(EVERYWHERE) <= set(TWINS)


def array(tensor: Tensor | None, size: int = 0) -> np.ndarray:
    return np.zeros(size) if tensor is None else tensor.detach().numpy()


def of_module(node: slow.Node, module: nn.Module, rule: twins.Rule) -> slow.Node:
    """The twin of a module."""
    if isinstance(module, nn.Linear):
        bias = array(module.bias, module.out_features)
        return slow.linear(node, array(module.weight), bias, rule)
    if isinstance(module, nn.modules.conv._ConvTransposeNd):
        bias = array(module.bias, module.out_channels)
        weight, stride = array(module.weight), module.stride[0]
        return slow.conv_transpose(node, weight, bias, rule, stride, module.groups)
    if isinstance(module, nn.modules.conv._ConvNd):
        bias = array(module.bias, module.out_channels)
        geometry = module.stride[0], module.padding[0], module.dilation[0], module.groups
        return slow.conv(node, array(module.weight), bias, rule, *geometry)
    if isinstance(module, nn.ReLU):
        return slow.relu(node)
    if isinstance(module, nn.Tanh):
        return slow.elementwise(node, np.tanh)
    assert isinstance(module, nn.Flatten)
    return slow.flatten(node)


def compare(net: nn.Sequential, x: Tensor, rule: str) -> None:
    """Relevance of the input, of every layer, and what biases take, against the twin."""
    options, twin = TWINS[rule]
    engine = lrp(net, x, **options)
    batch = engine.attribute(as_call(x))
    (of_input,) = engine.attribute_inputs(as_call(x))
    absorbed = total = 0.0
    for row in range(len(x)):
        nodes = [slow.Node(x[row].numpy())]
        for module in net:
            nodes.append(of_module(nodes[-1], module, twin))
        slow.propagate(nodes[-1], int(nodes[-1].value.argmax()))
        absorbed += sum(node.absorbed_bias for node in nodes)
        total += nodes[0].relevance.sum()
        scale = max(1.0, float(np.abs(nodes[-1].relevance).max()))
        close = {"rtol": 1e-7, "atol": 1e-9 * scale}
        np.testing.assert_allclose(of_input[row].numpy(), nodes[0].relevance, **close)
        # What flat gives to a value of zero ends there and is not the neuron's in this engine.
        hidden = nodes[2]
        hidden.relevance = np.where(hidden.value == 0, 0.0, hidden.relevance)
        np.testing.assert_allclose(batch.relevance["0"][row], slow.neurons(hidden), **close)
    account = batch.conservation
    scale = max(1.0, account.target_abs)
    assert account.balance < 1e-7 or account.residual_abs < 1e-12 * scale
    assert account.input == pytest.approx(total, rel=1e-6, abs=1e-9 * scale)
    if rule not in ("z", "epsilon"):
        assert account.bias == pytest.approx(absorbed, rel=1e-6, abs=1e-9 * scale)


@st.composite
def layers(draw: st.DrawFn) -> tuple[list[nn.Module], tuple[int, ...]]:
    """An operation, and the shape of an input for it."""
    bias = draw(st.booleans())
    kind = draw(st.sampled_from(["linear", "conv", "transposed"]))
    if kind == "linear":
        return [nn.Linear(5, 4, bias=bias)], (5,)
    dims, groups = draw(st.integers(1, 3)), draw(st.sampled_from([1, 2]))
    size = 3 if dims == 3 else 4
    stride = draw(st.integers(1, 2))
    if kind == "conv":
        made = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dims - 1](
            2, 2, 2, stride=stride, padding=draw(st.integers(0, 1)), groups=groups, bias=bias,
            dilation=draw(st.integers(1, 2)),
        )  # fmt: skip
    else:
        made = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[dims - 1](
            2, 2, draw(st.integers(1, 2)), stride=stride, groups=groups, bias=bias
        )
    return [made], (2, *[size] * dims)


@pytest.mark.parametrize("rule", TWINS)
@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    layer=layers(),
    between=st.sampled_from([nn.ReLU, nn.Tanh]),
    seed=st.integers(0, 1000),
    zeros=st.booleans(),
)
def test_every_rule_equals_its_dense_twin(
    rule: str, layer: tuple, between: Callable[[], nn.Module], seed: int, zeros: bool
) -> None:
    modules, shape = layer
    x = noise(2, *shape, seed=seed)
    if zeros:  # black pixels, and a row whose sums have nothing to divide
        x = x * (x > 0)
        x[1] = 0
    width = modules[0](torch.zeros(1, *shape)).numel()
    net = nn.Sequential(*modules, between(), nn.Flatten(), nn.Linear(width, 3))
    compare(realistic(net, seed), x, rule)


@pytest.mark.parametrize("rule", TWINS)
def test_a_deep_net_with_negative_signals_equals_the_twin(rule: str) -> None:
    net = nn.Sequential(
        nn.Conv2d(2, 3, 3, stride=2, padding=1), nn.Tanh(), nn.ConvTranspose2d(3, 2, 2),
        nn.Tanh(), nn.Flatten(), nn.Linear(32, 5), nn.ReLU(), nn.Linear(5, 3),
    )  # fmt: skip
    compare(realistic(net), noise(2, 2, 6, 6), rule)


@pytest.mark.parametrize("bounds", [(-3.0, 4.0), ((-3.0, -4.0), (5.0, 3.5))])
@pytest.mark.parametrize("zeros", [False, True])
def test_z_box_equals_its_dense_twin(bounds: tuple, zeros: bool) -> None:
    net = realistic(
        nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(48, 3))
    )
    x = noise(2, 2, 4, 4).clamp(-2.9, 3.4)
    x = x * (x > 0) if zeros else x
    low, high = bounds
    engine = lrp(net, x, rule="epsilon-gamma-box", low=low, high=high, epsilon=EPSILON)
    (found,) = engine.attribute_inputs(as_call(x))
    assert engine.attribute(as_call(x)).conservation.balance < 1e-9
    whole = [np.broadcast_to(np.reshape(b, (-1, 1, 1)), (2, 4, 4)).ravel() for b in bounds]
    box = twins.box(*whole, EPSILON)
    for row in range(2):
        start = slow.Node(x[row].numpy())
        hidden = slow.relu(of_module(start, net[0], box))
        out = of_module(slow.flatten(hidden), net[3], twins.epsilon(EPSILON))
        slow.propagate(out, int(out.value.argmax()))
        np.testing.assert_allclose(found[row].numpy(), start.relevance, rtol=1e-7, atol=1e-9)


COMPOSITES = {
    "epsilon-plus": {},
    "paper": {},
    "epsilon-gamma-box": {"low": -10, "high": 10},
}
ALL = {**{name: options for name, (options, _) in TWINS.items()}} | {
    name: {"rule": name, **options} for name, options in COMPOSITES.items()
}


@pytest.mark.parametrize("rule", ALL)
@pytest.mark.parametrize("name", sequences())
def test_accounts_balance_under_every_rule(name: str, rule: str) -> None:
    torch.manual_seed(0)
    net, x = sequences()[name]
    net = realistic(net)
    engine = lrp(net, x, **ALL[rule])
    batch = engine.attribute(as_call(x))
    assert batch.conservation.balance < 1e-6
    (found,) = engine.attribute_inputs(as_call(x))
    scale = batch.conservation.target_abs
    assert float(found.sum()) == pytest.approx(batch.conservation.input, abs=1e-6 * scale)


@pytest.mark.parametrize("rule", ALL)
def test_balance_in_single_precision(rule: str) -> None:
    net = realistic(SmallVgg(), dtype=torch.float32)
    batch = attribute(net, noise(4, 3, 16, 16, dtype=torch.float32), **ALL[rule])
    assert batch.conservation.balance < 1e-3


class Contractions(nn.Module):
    """One linear layer in many spellings, on either side."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.hidden, self.head = nn.Linear(4, 5), nn.Linear(5, 3)
        self.weight, self.shift = nn.Parameter(torch.zeros(5, 5)), nn.Parameter(torch.zeros(5))

    def forward(self, x: Tensor) -> Tensor:
        x, w, b = self.hidden(x).tanh(), self.weight, self.shift
        spellings: dict[str, Callable[[], Tensor]] = {
            "linear": lambda: nn.functional.linear(x, w.T, b),
            "keywords": lambda: nn.functional.linear(input=x, weight=w.T, bias=b),
            "matmul": lambda: x @ w + b,
            "mm": lambda: torch.mm(x, mat2=w) + b,
            "rmatmul": lambda: (w.T @ x.T).T + b,
            "addmm": lambda: torch.addmm(b, x, w),
            "scaled addmm": lambda: torch.addmm(b * 0.5, x, w * 0.25, beta=2, alpha=4),
            "addmm_": lambda: b.expand(len(x), 5).clone().addmm_(x, w),
            "einsum": lambda: torch.einsum("ni,ij->nj", x, w) + b,
            "einsum list": lambda: torch.einsum("ij,ni->nj", [w, x]) + b,
            "tensordot": lambda: torch.tensordot(x, w, dims=1) + b,
            "bmm": lambda: torch.bmm(x[None], w[None])[0] + b,
            "baddbmm": lambda: torch.baddbmm(b.expand(1, len(x), 5), x[None], w[None])[0],
            "conv1d": lambda: nn.functional.conv1d(x[..., None], w.T[..., None], b)[..., 0],
        }
        return self.head(spellings[self.how]().relu())


SPELLINGS = ("keywords", "matmul", "mm", "rmatmul", "addmm", "scaled addmm", "addmm_", "einsum",
             "einsum list", "tensordot", "bmm", "baddbmm", "conv1d")  # fmt: skip


@pytest.mark.parametrize("how", SPELLINGS)
@pytest.mark.parametrize("rule", ["epsilon", "gamma", "alpha-beta", "z-plus", "flat"])
def test_a_contraction_with_a_constant_is_a_linear_layer(how: str, rule: str) -> None:
    torch.manual_seed(0)
    net, x = realistic(Contractions("linear")), noise(3, 4)
    with torch.no_grad():
        net.weight.copy_(noise(5, 5, seed=4))
        net.shift.zero_()  # a sum that is added later is no part of the operation
    expected = attribute(net, x, rule=rule)
    net.how = how
    found = attribute(net, x, rule=rule)
    torch.testing.assert_close(found.relevance["hidden"], expected.relevance["hidden"])
    assert found.conservation.balance < 1e-9


@pytest.mark.parametrize("how", ["addmm", "scaled addmm", "addmm_", "baddbmm", "conv1d"])
@pytest.mark.parametrize("rule", ["epsilon", "gamma", "alpha-beta", "z-plus", "flat"])
def test_what_a_contraction_adds_is_a_bias(how: str, rule: str) -> None:
    torch.manual_seed(0)
    net, x = realistic(Contractions("linear")), noise(3, 4)
    with torch.no_grad():
        net.weight.copy_(noise(5, 5, seed=4))
        net.shift.copy_(noise(5, seed=5))
    expected = attribute(net, x, rule=rule)
    net.how = how
    found = attribute(net, x, rule=rule)
    torch.testing.assert_close(found.relevance["hidden"], expected.relevance["hidden"])
    assert found.conservation.bias == pytest.approx(expected.conservation.bias)


def test_relevance_does_not_depend_on_the_batch() -> None:
    net, x = realistic(LeNet()), noise(6, 1, 28, 28)
    for rule in EVERYWHERE:
        whole = attribute(net, x, rule=rule).relevance["fc1"]
        single = attribute(net, x[2:3], rule=rule).relevance["fc1"]
        torch.testing.assert_close(whole[2:3], single)


def test_without_accounts_hidden_layers_get_the_same() -> None:
    torch.manual_seed(0)
    net, x = realistic(LeNet()), noise(3, 1, 28, 28)
    for rule, options in ALL.items():
        engine = lrp(net, x, **options)
        bare = LrpAttribution(net, engine.sites, ["fc1"], conserve_every=0, **options)
        found = bare.attribute(as_call(x)).relevance["fc1"]
        expected = engine.attribute(as_call(x)).relevance["fc1"]
        torch.testing.assert_close(found, expected, msg=rule)


class Encoder(nn.Module):
    """Attention and layer norm: their projections go through the rules too."""

    def __init__(self) -> None:
        super().__init__()
        block = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, dropout=0.0)
        self.inner, self.head = nn.Linear(6, 16), nn.Linear(16, 3)
        self.encoder = nn.TransformerEncoder(block, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(self.inner(x)).mean(1))


class Recurrent(nn.Module):
    """An unrolled LSTM: each step is a weighted sum of input and state."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(6, 8, num_layers=2, batch_first=True, bidirectional=True)
        self.hidden, self.head = nn.Linear(16, 7), nn.Linear(7, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.hidden(self.rnn(x)[0].sum(1)).relu())


@pytest.mark.parametrize("rule", ALL)
@pytest.mark.parametrize("make", [Encoder, Recurrent])
def test_attention_and_recurrent_nets_balance_under_every_rule(
    make: Callable[[], nn.Module], rule: str
) -> None:
    torch.manual_seed(0)
    net, x = realistic(make()), noise(2, 5, 6)
    engine = lrp(net, x, **ALL[rule])
    assert engine.attribute(as_call(x)).conservation.balance < 1e-6
    assert engine.notes == ()


def test_a_named_rule_reaches_inside_attention_and_recurrent_layers() -> None:
    for make, name in ((Encoder, "encoder"), (Recurrent, "rnn")):
        torch.manual_seed(0)
        net, x = realistic(make()), noise(2, 5, 6)
        plain, ruled = attribute(net, x), attribute(net, x, rules={name: "z-plus"})
        assert ruled.conservation.balance < 1e-6
        assert ruled.conservation.input != pytest.approx(plain.conservation.input, rel=1e-3)


@pytest.mark.parametrize("rule", ALL)
def test_balance_on_resnet18_under_every_rule(rule: str) -> None:
    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    net = realistic(models.resnet18(weights=None), dtype=torch.float32)
    batch = attribute(net, noise(2, 3, 48, 48, dtype=torch.float32), **ALL[rule])
    assert batch.conservation.balance < 1e-3
