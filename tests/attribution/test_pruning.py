"""Neurons set to 0 where they are read: in modules and in functions, for some rows or all."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pytest_deepimportance.attribution.pruning import Pruner, cross_entropy
from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.errors import AttributionError
from pytest_deepimportance.models.sites import find_sites
from tests.attribution.nets import InPlace, Residual, noise, realistic


def mask(rows: int, width: int, *neurons: int) -> Tensor:
    found = torch.zeros(rows, width, dtype=torch.bool)
    found[:, list(neurons)] = True
    return found


def pruner(net: nn.Module, x: Tensor, layers: list[str], **more: Any) -> Pruner:
    return Pruner(net, find_sites(net, as_call(x)), layers, **more)


def test_a_functional_residual_site_is_pruned_after_its_activation() -> None:
    net, x = realistic(Residual()).eval(), noise(3, 2, 6, 6)
    sites = find_sites(net, as_call(x))
    site = sites.find("conv2")
    found = Pruner(net, sites, [site.name]).run(as_call(x), {site.name: mask(3, 4, 1, 2)})
    h = F.relu(net.stem(x))
    y = net.bn2(net.conv2(F.relu(net.bn1(net.conv1(h)))))
    last = F.relu(y + h)
    last[:, [1, 2]] = 0
    torch.testing.assert_close(found, net.head(last.mean((2, 3))))


def test_a_norm_after_the_neuron_cannot_bring_it_back() -> None:
    """A zeroed weight would leave the norm's shift behind; the mask leaves 0."""
    net, x = realistic(Residual()).eval(), noise(3, 2, 6, 6)
    seen: list[Tensor] = []
    handle = net.conv2.register_forward_pre_hook(lambda _, args: seen.append(args[0].clone()))
    pruner(net, x, ["conv1"]).run(as_call(x), {"conv1": mask(3, 4, 0)})
    handle.remove()
    assert not seen[-1][:, 0].any()
    assert seen[-1][:, 1:].any()


def test_before_the_activation_with_tap_pre() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.Sigmoid(), nn.Linear(4, 2)).double().eval()
    x = noise(5, 3)
    found = pruner(net, x, ["0"], tap="pre").run(as_call(x), {"0": mask(5, 4, 2)})
    hidden = net[0](x)
    hidden[:, 2] = 0
    torch.testing.assert_close(found, net[2](torch.sigmoid(hidden)))


def test_each_row_may_lose_other_neurons() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).double().eval()
    x = noise(2, 3)
    removed = torch.tensor([[True, False, False, False], [False, False, True, True]])
    found = pruner(net, x, ["0"]).run(as_call(x), {"0": removed})
    hidden = torch.relu(net[0](x)).masked_fill(removed, 0)
    torch.testing.assert_close(found, net[2](hidden))


def test_nothing_removed_is_the_bare_pass_and_inputs_stay() -> None:
    net, x = realistic(InPlace()).eval(), noise(3, 1, 6, 6)
    before = x.clone()
    sites = find_sites(net, as_call(x))
    found = Pruner(net, sites, [s.name for s in sites.candidates()]).run(as_call(x))
    torch.testing.assert_close(x, before)
    torch.testing.assert_close(found, net(x.clone()))


def test_positions_are_counted_without_padding() -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(3, 4), nn.Linear(4, 2)

        def forward(self, x: Tensor, attention_mask: Tensor) -> Tensor:
            return self.last(torch.relu(self.first(x)).mean(1))

    call = as_call(
        {"x": torch.rand(2, 5, 3), "attention_mask": torch.tensor([[1] * 5, [1, 1, 0, 0, 0]])}
    )
    net = Tokens()
    own = Pruner(net, find_sites(net, call), ["first"])
    own.run(call, count_positions=True)
    assert own.positions["first"].tolist() == [[5.0] * 4, [2.0] * 4]


def test_a_layer_that_is_not_reached_is_refused() -> None:
    class Branch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.side, self.last = nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            h = torch.relu(self.first(x))
            return self.last(torch.relu(self.side(h)) if len(x) < 4 else h)

    net = Branch()
    own = pruner(net, torch.rand(2, 3), ["side"])
    with pytest.raises(AttributionError, match="'side' was not reached"):
        own.run(as_call(torch.rand(6, 3)), {"side": mask(6, 4, 0)})
    assert not any(m._forward_hooks for m in net.modules())


def test_losses_of_probabilities_are_those_of_the_logits() -> None:
    logits, classes = noise(6, 4) * 3, torch.arange(6) % 4
    plain = cross_entropy(logits, classes, None)
    torch.testing.assert_close(cross_entropy(logits.softmax(1), classes, "softmax"), plain)
    torch.testing.assert_close(cross_entropy(logits.log_softmax(1), classes, "log_softmax"), plain)
    torch.testing.assert_close(cross_entropy(logits.sigmoid(), classes, "sigmoid"), plain)
