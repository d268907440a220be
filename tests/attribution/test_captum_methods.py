"""captum's methods at our sites: against captum itself, against slow twins, at any batch size."""

from __future__ import annotations

from typing import Any

import captum.attr
import pytest
import torch
from torch import Tensor, nn

from pytest_deepimportance.attribution.base import AttributionBatch
from pytest_deepimportance.data.batches import as_call
from tests.attribution.method_nets import CAPTUM, DETERMINISTIC, Cut, made, run
from tests.attribution.nets import LeNet, noise, realistic
from tests.oracles import reference_attribution as twin

BACKGROUND = noise(4, 1, 28, 28, seed=9)

CAPTUMS_OWN: dict[str, tuple[str, dict[str, Any]]] = {
    "activation": ("LayerActivation", {}),
    "gradient-x-activation": ("LayerGradientXActivation", {}),
    "grad-cam": ("LayerGradCam", {"attr_dim_summation": False}),
    "conductance": ("LayerConductance", {"n_steps": 6}),
    "internal-influence": ("InternalInfluence", {"n_steps": 6}),
    "integrated-gradients": ("LayerIntegratedGradients", {"n_steps": 6}),
    "deeplift": ("LayerDeepLift", {}),
    "deeplift-shap": ("LayerDeepLiftShap", {"baselines": BACKGROUND}),
}


@pytest.mark.parametrize("method", CAPTUMS_OWN)
def test_on_modules_it_is_what_captum_gives_layer_by_layer(method: str) -> None:
    model, x = realistic(LeNet()), noise(3, 1, 28, 28)
    found = run(
        method,
        model,
        x,
        steps=6,
        samples=4,
        background=as_call(BACKGROUND),
        layers=["conv2", "fc1"],
    )
    name, options = CAPTUMS_OWN[method]
    for layer, module in (("conv2", "relu2"), ("fc1", "relu3")):
        theirs = realistic(LeNet())
        explainer = getattr(captum.attr, name)(theirs, theirs.get_submodule(module))
        if method != "activation":
            options = {**options, "target": theirs(x).argmax(1)}
        wanted = explainer.attribute(x.clone(), **options).detach()
        wanted = wanted.flatten(2).sum(2) if wanted.dim() > 2 else wanted
        torch.testing.assert_close(found.relevance[layer], wanted, rtol=1e-9, atol=1e-9)


def test_ablation_is_what_captum_gives_for_whole_channels() -> None:
    model, x = realistic(LeNet()), noise(3, 1, 28, 28)
    found = run("lfa", model, x, layers=["conv2", "fc2"])
    explainer = captum.attr.LayerFeatureAblation(model, model.get_submodule("relu2"))
    mask = torch.arange(16).view(1, 16, 1, 1)
    wanted = explainer.attribute(x, target=model(x).argmax(1), layer_mask=mask)[:, :, 0, 0]
    torch.testing.assert_close(found.relevance["conv2"], wanted)


def naive(method: str, model: Cut, x: Tensor, b: Tensor, c: int) -> Tensor:
    """The twin's answer summed over positions, (3,)."""
    if method == "activation":
        return model.before(x).sum((1, 2))
    path = method in ("conductance", "internal-influence", "integrated-gradients")
    name = method.replace("-", "_")
    rest = (b, c) if path else (c,)
    found: Tensor = getattr(twin, name)(model.before, model.after, x, *rest)
    return found if found.dim() == 1 else found.sum((1, 2))


TWINS = (
    "activation", "gradient-x-activation", "grad-cam", "conductance", "internal-influence",
    "integrated-gradients", "feature-ablation",
)  # fmt: skip


@pytest.mark.parametrize("baseline", ["zero", 0.5])
@pytest.mark.parametrize("method", TWINS)
def test_functions_in_the_forward_against_the_slow_twin(method: str, baseline: Any) -> None:
    model, x = realistic(Cut()), noise(2, 1, 3, 3)
    b = torch.full_like(x[0], 0.0 if baseline == "zero" else baseline)
    # Conductance sums over pieces of the path; the others have a quadrature of high order.
    steps = 1000 if method == "conductance" else 20
    found = run(method, model, x, layers=["conv"], steps=steps, baseline=baseline, target="2")
    wanted = torch.stack([naive(method, model, row, b, 2) for row in x]).detach()
    near = 5e-3 if method == "conductance" else 1e-6
    torch.testing.assert_close(found.relevance["conv"], wanted, rtol=near, atol=near)


class Dense(nn.Module):
    """Three linear layers; one ReLU module called twice, or a function: captum alone refuses both."""

    def __init__(self, functional: bool) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 6), nn.Linear(6, 5), nn.Linear(5, 3)
        self.relu = nn.ReLU(inplace=not functional)
        self.act = torch.relu if functional else self.relu

    def forward(self, x: Tensor) -> Tensor:
        return self.c(self.act(self.b(self.act(self.a(x)))))


def dense_twin(model: Dense, x: Tensor, base: Tensor, c: int) -> Tensor:
    weights, biases = [model.b.weight, model.c.weight], [model.b.bias, model.c.bias]
    h, h_base = ((model.a.weight @ v + model.a.bias).clamp(min=0) for v in (x, base))
    return twin.deeplift(weights, biases, h, h_base, c).detach()


@pytest.mark.parametrize("functional", [True, False], ids=["functions", "one module twice"])
def test_deeplift_of_reused_and_functional_activations_against_the_slow_twin(
    functional: bool,
) -> None:
    model, x = realistic(Dense(functional)), noise(5, 4)
    background = noise(3, 4, seed=7)
    one = run("ldl", model, x, layers=["a"], target=1).relevance["a"]
    many = run("ldls", model, x, layers=["a"], target=1, background=as_call(background), samples=3)
    with torch.no_grad():
        wanted = torch.stack([dense_twin(model, row, torch.zeros_like(row), 1) for row in x])
        each = [[dense_twin(model, row, base, 1) for base in background] for row in x]
    torch.testing.assert_close(one, wanted, rtol=1e-8, atol=1e-8)
    mean = torch.stack([torch.stack(row).mean(0) for row in each])
    torch.testing.assert_close(many.relevance["a"], mean, rtol=1e-8, atol=1e-8)


def test_gradient_shap_of_a_linear_model_has_a_closed_form() -> None:
    model, x = realistic(nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 3))), noise(5, 4)
    background = noise(1, 4, seed=7)
    found = run("lgs", model, x, target=2, background=as_call(background), samples=3)
    wanted = (model[0](x) - model[0](background)) * model[1].weight[2]  # type: ignore[index]
    torch.testing.assert_close(found.relevance["0"], wanted.detach())


def test_gradient_shap_is_the_same_for_the_same_seed() -> None:
    model, x = realistic(LeNet()), noise(6, 1, 28, 28)
    method = {"background": as_call(noise(20, 1, 28, 28, seed=5)), "layers": ["fc1"], "samples": 3}
    first, again = (run("lgs", model, x, seed=1, **method) for _ in range(2))
    assert torch.equal(first.relevance["fc1"], again.relevance["fc1"])
    other = run("lgs", model, x, seed=2, **method)
    assert not torch.allclose(first.relevance["fc1"], other.relevance["fc1"])


@pytest.mark.parametrize("method", DETERMINISTIC)
def test_batch_size_and_memory_change_nothing(method: str) -> None:
    model, x = realistic(Cut()), noise(64, 1, 3, 3)
    settings = {"steps": 5, "samples": 3, "background": as_call(noise(3, 1, 3, 3, seed=3))}
    whole = run(method, model, x, **settings)

    def in_parts(size: int, **more: Any) -> dict[str, Tensor]:
        attribution = made(method, model, x, **settings, **more)
        parts: list[AttributionBatch] = [
            attribution.attribute(call) for call in as_call(x).split(size)
        ]
        return {name: torch.cat([p.relevance[name] for p in parts]) for name in whole.relevance}

    for parts in (in_parts(1), in_parts(7), in_parts(64, rows_at_once=3)):
        for name, values in parts.items():
            torch.testing.assert_close(values, whole.relevance[name], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("method", ["deeplift", "integrated-gradients"])
def test_a_complete_method_explains_the_targets_change(method: str) -> None:
    model, x = realistic(LeNet()), noise(5, 1, 28, 28)
    found = run(method, model, x, steps=200)
    scores, base = model(x), model(torch.zeros_like(x))
    best = scores.argmax(1, keepdim=True)
    change = (scores.gather(1, best) - base.gather(1, best))[:, 0].detach()
    for values in found.relevance.values():
        torch.testing.assert_close(values.sum(1), change, rtol=0.02, atol=1e-3)


@pytest.mark.parametrize("method", CAPTUM)
def test_activations_predictions_and_labels_are_those_of_the_bare_pass(method: str) -> None:
    model, x = realistic(Cut()), noise(6, 1, 3, 3)
    y = torch.arange(6) % 4
    found = run(method, model, (x, y), steps=2, layers=["hidden"], also=["conv"]).activations
    assert list(found.layers) == ["hidden", "conv"]
    with torch.no_grad():
        h = torch.stack([model.before(row) for row in x])
        torch.testing.assert_close(found.layers["conv"].values, h.mean((2, 3)))
        assert found.predictions.tolist() == model(x).argmax(1).tolist()
    assert found.labels.tolist() == y.tolist()
