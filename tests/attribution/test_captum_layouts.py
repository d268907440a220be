"""Neurons on other axes, before the activation, or one for each element; nets that are no CNN."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.attribution.method_nets import CAPTUM, Cut, run
from tests.attribution.nets import noise, realistic


class Tokens(nn.Module):
    """Vectors [N, T, D] -> linear -> softplus -> mean over tokens -> classes, inputs first or second."""

    def __init__(self, inputs_first: bool) -> None:
        super().__init__()
        self.mix, self.head, self.inputs_first = nn.Linear(3, 5), nn.Linear(5, 4), inputs_first

    def forward(self, x: Tensor) -> Tensor:
        h = x if self.inputs_first else x.transpose(0, 1)
        h = nn.functional.softplus(self.mix(h))
        return self.head(h.mean(1 if self.inputs_first else 0))


@pytest.mark.parametrize("method", [m for m in CAPTUM if m != "gradient-shap"])
def test_inputs_on_the_second_axis(method: str) -> None:
    x = noise(6, 4, 3)
    settings: dict[str, Any] = {"steps": 4, "samples": 2, "layers": ["mix"], "target": 1}
    first = run(method, realistic(Tokens(True)), x, **settings).relevance["mix"]
    second = run(method, realistic(Tokens(False)), x, **settings).relevance["mix"]
    torch.testing.assert_close(first, second)
    if method == "gradient-x-activation":
        model = realistic(Tokens(True))
        h = nn.functional.softplus(model.mix(x))
        torch.testing.assert_close(first, (h.mean(1) * model.head.weight[1]).detach())


@pytest.mark.parametrize("method", ["gradient-x-activation", "deeplift", "conductance"])
def test_before_the_activation(method: str) -> None:
    model, x = realistic(nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))), noise(6, 4)
    found = run(method, model, x, layers=["0"], tap="pre", target=2, steps=2000).relevance["0"]
    z, z_base, weight = model[0](x), model[0].bias, model[2].weight[2]  # type: ignore[index]
    if method == "gradient-x-activation":
        wanted = z * (1 - z.tanh() ** 2) * weight
    else:  # both explain the whole change, and each neuron has a way of its own
        wanted = (z.tanh() - z_base.tanh()) * weight
    near = 2e-3 if method == "conductance" else 1e-8
    torch.testing.assert_close(found, wanted.detach(), rtol=near, atol=near)


@pytest.mark.parametrize("method", [m for m in CAPTUM if m != "gradient-shap"])
def test_one_neuron_for_each_element(method: str) -> None:
    model, x = realistic(Cut()), noise(3, 1, 3, 3)
    settings: dict[str, Any] = {"steps": 4, "samples": 2, "layers": ["conv"], "target": 0}
    whole = run(method, model, x, **settings).relevance["conv"]
    each = run(method, model, x, reduce="none", **settings)
    assert each.relevance["conv"].shape == each.activations.layers["conv"].values.shape == (3, 12)
    if method != "feature-ablation":  # removing elements one by one is not removing them together
        torch.testing.assert_close(each.relevance["conv"].view(3, 3, 4).sum(2), whole)


class Recurrent(nn.Module):
    """An LSTM over vectors, its last step into two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 4, batch_first=True)
        self.hidden, self.head = nn.Linear(4, 5), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.hidden(self.lstm(x)[0][:, -1]).relu())


def encoder() -> nn.Module:
    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
    return nn.Sequential(layer, nn.Flatten(), nn.Linear(12, 6), nn.ReLU(), nn.Linear(6, 3))


@pytest.mark.parametrize("method", ["lc", "lgxa", "lig", "lfa", "ii"])
@pytest.mark.parametrize("net", [Recurrent, encoder], ids=["LSTM", "transformer"])
def test_recurrent_nets_and_transformers(net: Any, method: str) -> None:
    torch.manual_seed(0)
    model = net().double().eval()
    x = noise(4, 3, 3 if net is Recurrent else 4)
    layer = "hidden" if net is Recurrent else "2"
    found = run(method, model, x, layers=[layer], steps=300, target=1).relevance[layer]
    h, base = (model.hidden(model.lstm(v)[0][:, -1]).relu() if net is Recurrent
               else model[:4](v) for v in (x, torch.zeros_like(x)))  # fmt: skip
    weight = (model.head if net is Recurrent else model[4]).weight[1]
    wanted = {"lc": (h - base) * weight, "lig": (h - base) * weight, "ii": weight.expand_as(h)}
    # captum's conductance leaves out both ends of the path, a fraction of a step each.
    near = 2e-3 if method == "lc" else 1e-8
    torch.testing.assert_close(found, wanted.get(method, h * weight).detach(), rtol=near, atol=near)
