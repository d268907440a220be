"""The engine's own accounts balance, on any architecture it has rules for."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from pytest_deepimportance.data.batches import as_call
from tests.attribution.nets import (
    Detector,
    InPlace,
    LeNet,
    Residual,
    attribute,
    lrp,
    noise,
    realistic,
    sequences,
)


@pytest.mark.parametrize("name", sequences())
@pytest.mark.parametrize(("rule", "epsilon"), [("epsilon", 1e-6), ("z", 0.0)])
def test_accounts_balance(name: str, rule: str, epsilon: float) -> None:
    torch.manual_seed(0)
    net, x = sequences()[name]
    net = realistic(net)
    engine = lrp(net, x, rule=rule, epsilon=epsilon)
    before = x.clone()
    batch = engine.attribute(as_call(x))
    assert batch.conservation.balance < 1e-6
    assert batch.conservation.rows == len(x)
    assert engine.notes == ()
    assert torch.equal(x, before)


def test_accounts_balance_on_resnet18() -> None:
    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    net = models.resnet18(weights=None)
    for module in list(net.modules()):
        if isinstance(module, nn.Conv2d):
            module.bias = nn.Parameter(torch.zeros(module.out_channels))
    net = realistic(net, dtype=torch.float32)
    batch = attribute(net, noise(2, 3, 64, 64, dtype=torch.float32))
    account = batch.conservation
    assert account.balance < 1e-3
    parts = account.input + account.bias + account.shift + account.stabiliser
    assert parts == pytest.approx(account.target, rel=1e-3)
    assert batch.relevance["layer4.1.relu#1"].shape == (2, 512)


ACTIVATIONS = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish,
    nn.Hardswish, nn.Softplus, nn.Sigmoid, nn.Tanh, nn.Hardsigmoid, nn.Hardtanh, nn.PReLU,
    nn.RReLU, nn.Softsign, nn.LogSigmoid, nn.Tanhshrink,
)  # fmt: skip


@st.composite
def small_cnn(draw: st.DrawFn) -> nn.Module:
    layers: list[nn.Module] = []
    channels = 2
    for _ in range(draw(st.integers(1, 4))):
        after = draw(st.integers(1, 5))
        groups = 1 if channels % 2 or after % 2 else draw(st.sampled_from([1, 2]))
        kind = draw(st.sampled_from([nn.Conv2d, nn.ConvTranspose2d]))
        layers.append(kind(channels, after, 3, padding=1, bias=draw(st.booleans()), groups=groups))
        layers += draw(st.sampled_from([[], [nn.BatchNorm2d(after)], [nn.Dropout(0.3)]]))
        layers.append(draw(st.sampled_from(ACTIVATIONS))())
        channels = after
    pool = draw(st.sampled_from([nn.MaxPool2d(2), nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(3)]))
    return nn.Sequential(*layers, pool, nn.Flatten(), nn.LazyLinear(3))


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(net=small_cnn(), rule=st.sampled_from(["epsilon", "z"]))
def test_accounts_balance_on_any_small_cnn(net: nn.Module, rule: str) -> None:
    x = noise(2, 2, 6, 6)
    net.eval()(x.float())
    assert attribute(realistic(net), x, rule=rule).conservation.balance < 1e-5


def test_accounts_do_not_depend_on_how_the_batch_is_cut() -> None:
    net, x = realistic(InPlace()), noise(6, 1, 6, 6)
    engine = lrp(net, x)
    whole = engine.attribute(as_call(x))
    parts = [engine.attribute(part) for part in as_call(x).split(2)]
    for name, relevance in whole.relevance.items():
        torch.testing.assert_close(relevance, torch.cat([part.relevance[name] for part in parts]))
    total = sum((part.conservation for part in parts[1:]), parts[0].conservation)
    assert total.input == pytest.approx(whole.conservation.input)
    assert total.rows == 6


def test_without_accounts_relevance_is_the_same() -> None:
    net, x = realistic(Residual()), noise(4, 2, 6, 6)
    with_accounts = attribute(net, x)
    engine = lrp(net, x, conserve_every=2)
    first, second = engine.attribute(as_call(x)), engine.attribute(as_call(x))
    assert first.conservation == with_accounts.conservation
    assert second.conservation.rows == 0
    assert second.conservation.balance is None
    for name, relevance in with_accounts.relevance.items():
        torch.testing.assert_close(second.relevance[name], relevance)


def test_notes_name_what_has_no_rule() -> None:
    class Odd(Detector):
        def forward(self, x: Tensor) -> Tensor:
            return self.head(torch.logcumsumexp(self.body(x), 1))

    engine = lrp(realistic(Odd()), noise(5, 4))
    engine.attribute(as_call(noise(5, 4)))
    assert engine.notes == (
        "logcumsumexp in Odd has no relevance rule: its plain gradient is used",
    )


@pytest.mark.filterwarnings("ignore")
def test_a_compiled_model_is_followed() -> None:
    if not hasattr(torch.compiler, "set_stance"):
        pytest.skip("this torch cannot run a compiled model eagerly")
    net, x = realistic(LeNet()), noise(2, 1, 28, 28)
    plain = lrp(net, x)
    expected = plain.attribute(as_call(x)).relevance
    net.compile(backend="eager")
    relevance = plain.attribute(as_call(x)).relevance
    torch.testing.assert_close(relevance["fc2"], expected["fc2"])


class _TimeFirst(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = self.body(x.transpose(0, 1).contiguous()).relu()
        return self.head(h.mean(0))


@pytest.mark.parametrize("tokens", [3, 6])
def test_accounts_of_a_time_first_layout_balance(tokens: int) -> None:
    net, x = realistic(_TimeFirst()), noise(3, tokens, 4)
    batch = attribute(net, x)
    assert batch.conservation.balance < 1e-6
    assert batch.relevance["body"].shape == (3, 5)


def test_reduce_none_keeps_every_position() -> None:
    net, x = realistic(LeNet()), noise(2, 1, 28, 28)
    summed, kept = attribute(net, x), attribute(net, x, reduce="none")
    assert kept.activations.layers["conv2"].values.shape == (2, 16 * 8 * 8)
    relevance = kept.relevance["conv2"].view(2, 16, 64).sum(2)
    torch.testing.assert_close(relevance, summed.relevance["conv2"])
