"""The engine against the slow twin, dense and exact, and against captum."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.attribution.nets import (
    LeNet,
    Residual,
    SmallVgg,
    attribute,
    noise,
    realistic,
)
from tests.oracles import reference_lrp as slow

EPSILONS = [("epsilon", 1e-6), ("epsilon", 0.25), ("z", 0.0)]


def array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().numpy()


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
