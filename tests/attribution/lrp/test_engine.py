"""The engine against the slow twin, captum, its own accounts, and what it must leave alone."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from pytest_deepimportance.attribution.lrp.engine import LrpAttribution
from pytest_deepimportance.data.activations import UNKNOWN
from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.errors import AttributionError
from pytest_deepimportance.models.sites import find_sites
from tests.attribution.nets import (
    InPlace,
    LeNet,
    Residual,
    SmallVgg,
    attribute,
    lrp,
    noise,
    realistic,
    sequences,
)
from tests.oracles import reference_lrp as slow

EPSILONS = [("epsilon", 1e-6), ("epsilon", 0.25), ("z", 0.0)]


def array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().numpy()


# --- the slow twin -----------------------------------------------------------------------------


@pytest.mark.parametrize(("rule", "epsilon"), EPSILONS)
def test_mlp_equals_the_dense_twin(rule: str, epsilon: float) -> None:
    net = realistic(
        nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 6), nn.Tanh(), nn.Linear(6, 3))
    )
    x = noise(4, 5)
    batch = attribute(net, x, rule=rule, epsilon=epsilon)
    balance = 0.0
    for row in range(4):
        start = slow.Node(array(x[row]))
        first = slow.relu(slow.linear(start, array(net[0].weight), array(net[0].bias), epsilon))
        z = slow.linear(first, array(net[2].weight), array(net[2].bias), epsilon)
        second = slow.elementwise(z, np.tanh)
        out = slow.linear(second, array(net[4].weight), array(net[4].bias), epsilon)
        slow.propagate(out, int(out.value.argmax()))
        np.testing.assert_allclose(batch.relevance["0"][row], slow.neurons(first), rtol=1e-9)
        np.testing.assert_allclose(batch.relevance["2"][row], slow.neurons(second), rtol=1e-9)
        balance += start.relevance.sum()
    assert batch.conservation.input == pytest.approx(balance, rel=1e-9)
    assert batch.conservation.balance < 1e-9


@pytest.mark.parametrize(("rule", "epsilon"), EPSILONS)
def test_conv_net_equals_the_dense_twin(rule: str, epsilon: float) -> None:
    net = realistic(
        nn.Sequential(
            nn.Conv2d(2, 3, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(3, 4, 2), nn.ReLU(),
            nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4, 3),
        )
    )  # fmt: skip
    x = noise(3, 2, 6, 6)
    batch = attribute(net, x, rule=rule, epsilon=epsilon)
    given_input = 0.0
    for row in range(3):
        start = slow.Node(array(x[row]))
        weights = [array(p) for p in net.parameters()]
        first = slow.relu(slow.conv(start, weights[0], weights[1], epsilon, stride=2, pad=1))
        second = slow.relu(slow.conv(first, weights[2], weights[3], epsilon))
        pooled = slow.flatten(slow.max_pool(second, 2))
        out = slow.linear(pooled, weights[4], weights[5], epsilon)
        slow.propagate(out, int(out.value.argmax()))
        np.testing.assert_allclose(batch.relevance["0"][row], slow.neurons(first), atol=1e-12)
        np.testing.assert_allclose(batch.relevance["2"][row], slow.neurons(second), atol=1e-12)
        given_input += start.relevance.sum()
    assert batch.conservation.input == pytest.approx(given_input, rel=1e-9)


@pytest.mark.parametrize(("rule", "epsilon"), EPSILONS)
def test_residual_net_equals_the_dense_twin(rule: str, epsilon: float) -> None:
    net = realistic(Residual())
    x = noise(3, 2, 4, 4)
    batch = attribute(net, x, rule=rule, epsilon=epsilon)
    shifts, given_input = 0.0, 0.0

    def norm(node: slow.Node, module: nn.BatchNorm2d) -> slow.Node:
        factor = array(module.weight) / np.sqrt(array(module.running_var) + module.eps)
        return slow.scale(node, factor, array(module.bias) - array(module.running_mean) * factor)

    def conv(node: slow.Node, module: nn.Conv2d) -> slow.Node:
        return slow.conv(node, array(module.weight), array(module.bias), epsilon, pad=1)

    for row in range(3):
        start = slow.Node(array(x[row]))
        stem = slow.relu(conv(start, net.stem))
        bn1 = norm(conv(stem, net.conv1), net.bn1)
        bn2 = norm(conv(slow.relu(bn1), net.conv2), net.bn2)
        summed = slow.relu(slow.add(bn2, stem))
        mean = slow.mean_positions(summed)
        out = slow.linear(mean, array(net.head.weight), array(net.head.bias), epsilon)
        slow.propagate(out, int(out.value.argmax()))
        found = batch.relevance
        np.testing.assert_allclose(found["stem"][row], slow.neurons(stem), atol=1e-12)
        np.testing.assert_allclose(found["conv1"][row], slow.neurons(bn1), atol=1e-12)
        last = [name for name in found if name not in ("stem", "conv1")]
        np.testing.assert_allclose(found[last[0]][row], slow.neurons(summed), atol=1e-12)
        shifts += bn1.absorbed + bn2.absorbed
        given_input += start.relevance.sum()
    assert batch.conservation.shift == pytest.approx(shifts, rel=1e-9)
    assert batch.conservation.input == pytest.approx(given_input, rel=1e-9)
    assert batch.conservation.balance < 1e-9


def test_tap_pre_reads_what_arrives_at_the_layers_own_output() -> None:
    net = realistic(nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3)))
    x, epsilon = noise(4, 5), 0.3
    before = attribute(net, x, tap="pre", epsilon=epsilon)
    after = attribute(net, x, epsilon=epsilon)
    # A ReLU passes relevance on, and the stabiliser of a layer acts below its output.
    torch.testing.assert_close(before.relevance["0"], after.relevance["0"])
    torch.testing.assert_close(before.activations.layers["0"].values, net[0](x))


# --- captum ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("make", "shape"), [(LeNet, (1, 28, 28)), (SmallVgg, (3, 16, 16))])
@pytest.mark.parametrize("epsilon", [1e-6, 1e-2])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_equals_captum(make: Callable[[], nn.Module], shape: tuple, epsilon: float) -> None:
    lrp_of = pytest.importorskip("captum.attr")
    from captum.attr._utils.lrp_rules import EpsilonRule, IdentityRule

    net = realistic(make())
    x = noise(4, *shape)
    batch = attribute(net, x, epsilon=epsilon)
    predicted = torch.from_numpy(batch.activations.predictions)
    for name in batch.relevance:
        theirs = copy.deepcopy(net)  # captum leaves data on the modules
        for module in theirs.modules():
            if isinstance(module, (nn.Linear, nn.Conv2d)):
                module.rule = EpsilonRule(epsilon)
            elif isinstance(module, nn.MaxPool2d):
                module.rule = EpsilonRule(1e-14)
            elif isinstance(module, nn.ReLU):
                module.rule = IdentityRule()
        method = lrp_of.LayerLRP(theirs, theirs.get_submodule(name))
        found = method.attribute(x, target=predicted).detach()
        found = found.flatten(2).sum(2) if found.dim() > 2 else found
        scale = float(found.abs().max())
        torch.testing.assert_close(batch.relevance[name], found, rtol=1e-5, atol=1e-7 * scale)


# --- accounts ----------------------------------------------------------------------------------


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


# --- targets and outputs -----------------------------------------------------------------------


def test_targets() -> None:
    net, x = realistic(nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))), noise(5, 4)
    scores = net(x)
    labels = torch.tensor([0, 1, 2, 0, 1])
    expected = {
        "predicted": scores.max(1).values,
        "label": scores.gather(1, labels[:, None])[:, 0],
        "1": scores[:, 1],
        2: scores[:, 2],
    }
    for target, start in expected.items():
        batch = lrp(net, x, target=target).attribute(as_call((x, labels)))
        assert batch.conservation.target == pytest.approx(float(start.detach().sum()))
        assert batch.activations.labels.tolist() == labels.tolist()
        assert batch.activations.predictions.tolist() == scores.argmax(1).tolist()
    assert (attribute(net, x).activations.labels == UNKNOWN).all()


@pytest.mark.parametrize(
    ("target", "words"),
    [("label", "without a label"), (7, "the model has 3 classes"), ("best", "neither")],
)
def test_targets_that_cannot_be_chosen(target: str | int, words: str) -> None:
    net, x = realistic(nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))), noise(5, 4)
    with pytest.raises(AttributionError, match=words):
        attribute(net, x, target=target)


@pytest.mark.parametrize("last", [nn.Softmax(1), nn.LogSoftmax(1), nn.Sigmoid()])
def test_a_final_softmax_is_looked_through(last: nn.Module) -> None:
    net = realistic(nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)))
    x = noise(5, 4)
    plain = attribute(net, x)
    engine = lrp(nn.Sequential(*net, last), x)
    batch = engine.attribute(as_call(x))
    torch.testing.assert_close(batch.relevance["0"], plain.relevance["0"])
    assert batch.conservation == plain.conservation
    (note,) = engine.notes
    assert "relevance starts from what it is given" in note


class _Detector(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> list[dict[str, Tensor]]:
        return [{"boxes": row} for row in self.head(self.body(x).relu())]


def test_an_output_without_class_scores_is_refused_with_both_settings() -> None:
    net, x = realistic(_Detector()), noise(5, 4)
    with pytest.raises(AttributionError) as caught:
        attribute(net, x)
    message = str(caught.value)
    assert "output is a list of 5 dicts: not a class score" in message
    assert "Give idc_output = pkg.mod:callable" in message
    assert "idc_correct = all" in message
    batch = attribute(net, x, output=lambda out: torch.stack([row["boxes"] for row in out]))
    assert batch.conservation.balance < 1e-9


# --- what is refused ---------------------------------------------------------------------------


def test_rows_with_nan_are_left_to_the_caller() -> None:
    net, x = realistic(LeNet()), noise(3, 1, 28, 28)
    clean = attribute(net, x)
    x[1, 0, 3, 3] = float("nan")
    batch = attribute(net, x)
    assert batch.activations.finite().tolist() == [True, False, True]
    assert batch.conservation.rows == 2
    for name, relevance in batch.relevance.items():
        torch.testing.assert_close(relevance[[0, 2]], clean.relevance[name][[0, 2]])
        assert not relevance[1].any()


def test_relevance_that_is_not_finite_is_an_error_with_counts() -> None:
    class Infinite(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: object, gradient: Tensor) -> Tensor:
            return torch.full_like(gradient, float("inf"))

    class Net(_Detector):
        def forward(self, x: Tensor) -> Tensor:
            return self.head(Infinite.apply(self.body(x).sigmoid()))

    net, x = realistic(Net()), noise(5, 4)
    with pytest.raises(AttributionError) as caught:
        attribute(net, x)
    assert "layer 'body' by lrp (epsilon) is not finite for 5 of 5 inputs" in str(caught.value)
    assert "0 NaN, 30 infinite" in str(caught.value)


class _Counting(nn.Module):
    """Not the same twice: what it adds depends on how often it ran."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.mid, self.head = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 3)
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        h = self.body(x).relu()
        return self.head((self.mid(h) * self.calls).relu())


def test_a_forward_that_differs_names_the_first_layer() -> None:
    net, x = realistic(_Counting()), noise(5, 4)
    with pytest.raises(AttributionError, match="first at layer 'mid'"):
        attribute(net, x)
    lrp(net, x, check_forward=False).attribute(as_call(x))


def test_no_path_back_is_an_error() -> None:
    class Cut(_Detector):
        def forward(self, x: Tensor) -> Tensor:
            return torch.from_numpy(self.head(self.body(x).relu()).detach().numpy()) * 2

    with pytest.raises(AttributionError, match=r"no path leads back.*: numpy in Cut leaves torch"):
        attribute(realistic(Cut()), noise(5, 4))


@pytest.mark.parametrize("guard", [torch.no_grad, torch.inference_mode])
def test_a_forward_without_gradients_is_followed(guard: Callable) -> None:
    class Guarded(LeNet):
        def forward(self, x: Tensor) -> Tensor:
            with guard():
                x = self.pool1(self.relu1(self.conv1(x)))
                x = self.pool2(self.relu2(self.conv2(x))).flatten(1).detach()
                x = self.relu3(self.fc1(x))
            return self.fc3(self.relu4(self.fc2(x)))

    x = noise(2, 1, 28, 28)
    plain, guarded = attribute(realistic(LeNet()), x), attribute(realistic(Guarded()), x)
    assert guarded.conservation == plain.conservation
    for name, relevance in plain.relevance.items():
        torch.testing.assert_close(guarded.relevance[name], relevance)


def test_unknown_settings_are_refused() -> None:
    net, x = realistic(LeNet()), noise(2, 1, 28, 28)
    sites = find_sites(net, as_call(x))
    with pytest.raises(AttributionError, match="rule 'gamma'"):
        LrpAttribution(net, sites, ["fc2"], rule="gamma")
    with pytest.raises(AttributionError, match="epsilon -1"):
        LrpAttribution(net, sites, ["fc2"], epsilon=-1)
    with pytest.raises(AttributionError, match="no layer"):
        LrpAttribution(net, sites, [])
    with pytest.raises(AttributionError, match="empty"):
        LrpAttribution(net, sites, ["fc2"]).attribute(as_call(x[:0]))


# --- what stays as it was ----------------------------------------------------------------------


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
            with pytest.raises(KeyError, match="user code"):
                engine.attribute(as_call(x))
        _same(before, _snapshot(net))


def test_notes_name_what_has_no_rule() -> None:
    class Odd(_Detector):
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
