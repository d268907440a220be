"""Models and inputs that attribution methods cannot serve: what is said, and nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pytest_deepimportance.attribution import captum_base
from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.errors import (
    AttributionError,
    ForwardError,
    MethodUnavailable,
)
from pytest_deepimportance.methods import METHOD_NAMES
from tests.attribution.method_nets import CAPTUM, Cut, made, random_state, run, snapshot
from tests.attribution.nets import InPlace, LeNet, Residual, Reused, noise, realistic

GRADIENTS = ("conductance", "gradient-x-activation", "integrated-gradients", "deeplift")


@pytest.mark.parametrize("method", METHOD_NAMES)
@pytest.mark.parametrize("net", [LeNet, Residual], ids=lambda net: net.__name__)
def test_the_model_and_the_random_state_are_as_before(net: Any, method: str) -> None:
    model = realistic(net()).train()
    x = noise(2, 2, 6, 6) if net is Residual else noise(2, 1, 28, 28)
    attribution = made(method, model, x, steps=2, samples=2)
    before, state = snapshot(model), random_state()
    attribution.attribute(as_call(x))
    assert snapshot(model) == before
    assert random_state() == state


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_the_model_is_as_before_when_a_pass_fails(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, x = realistic(LeNet()).train(), noise(2, 1, 28, 28)
    attribution = made(method, model, x, steps=2, samples=2)
    before, state, calls = snapshot(model), random_state(), []

    def third_call_fails(_: nn.Module, args: Any) -> None:
        calls.append(args)
        if len(calls) == last:
            raise RuntimeError("injected")

    last = 1 if method == "random" else 2 if method == "lrp" else 5
    kind = type(model.get_submodule("relu3"))
    forward = kind.forward
    monkeypatch.setattr(kind, "forward", lambda s, x: (third_call_fails(s, x), forward(s, x))[1])
    with pytest.raises((ForwardError, MethodUnavailable), match="injected"):
        [attribution.attribute(as_call(x)) for _ in range(2)]
    monkeypatch.undo()
    assert snapshot(model) == before
    assert random_state() == state


@pytest.mark.parametrize("method", CAPTUM)
@pytest.mark.parametrize("net", [Residual, Reused], ids=lambda net: net.__name__)
def test_residual_adds_and_reused_modules(net: Any, method: str) -> None:
    model = realistic(net())
    x = noise(3, 2, 6, 6) if net is Residual else noise(3, 1, 6, 6)
    if net is Reused and method in ("deeplift", "deeplift-shap"):
        with pytest.raises(MethodUnavailable, match="of the target's change unexplained"):
            run(method, model, x, samples=2)  # amax is no pool that captum has a rule for
        return
    found = run(method, model, x, steps=3, samples=2)
    assert all(torch.isfinite(values).all() for values in found.relevance.values())
    assert any(values.abs().sum() > 0 for values in found.relevance.values())


def test_gradient_x_activation_behind_a_residual_add_is_autograds() -> None:
    model, x = realistic(Residual()), noise(3, 2, 6, 6)
    found = run("lgxa", model, x, target=1).relevance["stem"]
    h = torch.relu(model.stem(x)).detach().requires_grad_()
    y = model.bn2(model.conv2(torch.relu(model.bn1(model.conv1(h)))))
    score = model.head(torch.relu(y + h).mean((2, 3)))[:, 1].sum()
    slope = torch.autograd.grad(score, h)[0]
    torch.testing.assert_close(found, (h * slope).sum((2, 3)).detach())


@pytest.mark.parametrize("method", ["gradient-x-activation", "conductance", "deeplift"])
def test_a_result_that_the_forward_ignores_is_named(method: str) -> None:
    with pytest.raises(MethodUnavailable, match=r"overwritten in place and what is returned"):
        run(method, realistic(InPlace()), noise(3, 1, 6, 6), steps=2)


class Tokens(nn.Module):
    """Token ids -> embedding -> linear -> attention-free mean -> classes."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.mix, self.head = nn.Embedding(9, 4), nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        h = self.mix(self.embed(ids)).relu()
        keep = torch.ones_like(ids) if attention_mask is None else attention_mask
        return self.head((h * keep[..., None]).sum(1))


@pytest.mark.parametrize("method", ["lc", "ii", "lgs", "ldl", "ldls"])
def test_between_two_token_ids_there_is_no_path(method: str) -> None:
    ids = torch.randint(0, 9, (4, 5), generator=torch.Generator().manual_seed(1))
    with pytest.raises(MethodUnavailable, match=r"needs inputs of floating numbers") as caught:
        run(method, realistic(Tokens()), ids)
    assert "integrated-gradients" in caught.value.fix


@pytest.mark.parametrize("method", ["la", "lgxa", "lig", "lfa"])
def test_padded_tokens_count_nothing(method: str) -> None:
    model = realistic(Tokens())
    ids = torch.randint(0, 9, (4, 5), generator=torch.Generator().manual_seed(1))
    mask = torch.tensor([[1, 1, 1, 0, 0]] * 4)
    padded = run(method, model, {"ids": ids, "attention_mask": mask}, steps=4).relevance["mix"]
    cut = run(method, model, {"ids": ids[:, :3]}, steps=4).relevance["mix"]
    torch.testing.assert_close(padded, cut)


class NoGradient(nn.Module):
    """Nothing leads back from its output, or only from its end."""

    def __init__(self, whole: bool) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 5), nn.Linear(5, 5), nn.Linear(5, 3)
        self.whole = whole

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            h = self.b(self.a(x).relu()).relu()
        scores = self.c(h)
        return scores.detach() if self.whole else scores


@pytest.mark.parametrize("method", GRADIENTS)
def test_an_output_that_nothing_leads_back_from(method: str) -> None:
    with pytest.raises(AttributionError, match="no path leads back from the model's output"):
        run(method, realistic(NoGradient(whole=True)), noise(3, 4), steps=2)


def test_layers_that_no_gradient_reaches_are_said() -> None:
    attribution = made("lgxa", realistic(NoGradient(whole=False)), noise(3, 4))
    found = attribution.attribute(as_call(noise(3, 4)))
    assert float(found.relevance["a"].abs().sum()) == 0
    assert float(found.relevance["b"].abs().sum()) > 0
    assert attribution.notes == ("all scores are 0 (gradient-x-activation): a",)


def test_zero_gradients_everywhere_are_said() -> None:
    model = realistic(nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)))
    nn.init.zeros_(model[2].weight)  # type: ignore[arg-type]
    attribution = made("lgxa", model, noise(3, 4))
    attribution.attribute(as_call(noise(3, 4)))
    assert attribution.notes == ("all scores are 0 (gradient-x-activation): everywhere",)


def test_torchscript_inside_gives_gradients_but_no_deeplift() -> None:
    inner = torch.jit.script(nn.Sequential(nn.Linear(5, 5), nn.Tanh()).double())
    model = nn.Sequential(nn.Linear(4, 5).double(), nn.ReLU(), inner, nn.Linear(5, 3).double())
    x = noise(4, 4)
    found = run("lgxa", model, x, target=0)
    h = model[1](model[0](x)).detach().requires_grad_()
    slope = torch.autograd.grad(model[3](model[2](h))[:, 0].sum(), h)[0]
    torch.testing.assert_close(found.relevance["0"], (h * slope).detach())
    with pytest.raises(MethodUnavailable, match="of the target's change"):
        run("ldl", model, 4 * x, target=0)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*quantize.*:UserWarning")
def test_a_quantised_part_has_no_gradients_but_can_be_ablated() -> None:
    from torch.ao.quantization import quantize_dynamic

    if torch.backends.quantized.engine == "none":
        pytest.skip("this build of torch has no quantised operations")
    torch.manual_seed(0)
    whole = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    model = quantize_dynamic(whole.eval(), {"2"}, dtype=torch.qint8)
    x = noise(4, 4).float()
    for method in ("lrp", *GRADIENTS):
        with pytest.raises(MethodUnavailable, match=r"module '2' is quantised \(Linear\)"):
            run(method, model, x)
    found = run("lfa", model, x, layers=["0"], target=1).relevance["0"]
    with torch.no_grad():
        h = model[1](model[0](x))
        without = h.clone()
        without[:, 3] = 0
        wanted = (model[2:](h) - model[2:](without))[:, 1]
    torch.testing.assert_close(found[:, 3], wanted)


@pytest.mark.parametrize("method", ["gradient-x-activation", "integrated-gradients", "conductance"])
def test_attributions_that_are_not_finite_are_refused(method: str) -> None:
    class Root(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.c = nn.Linear(4, 5), nn.Linear(5, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.c(self.a(x).relu().sqrt())  # its derivative at 0 is infinite

    with pytest.raises(AttributionError, match=rf"attributions of layer 'a' by {method} are not"):
        run(method, realistic(Root()), noise(6, 4), steps=3)


@pytest.mark.parametrize("method", CAPTUM)
def test_a_row_that_is_not_finite_holds_zeros_and_harms_no_other(method: str) -> None:
    model, x = realistic(Cut()), noise(4, 1, 3, 3)
    kept = [0, 2, 3]
    sample = as_call(noise(3, 1, 3, 3, seed=3))
    wanted = run(method, model, x, steps=3, samples=2, background=sample)
    x[1, 0, 0, 0] = float("nan")
    found = run(method, model, x, steps=3, samples=2, background=sample)
    for name, values in found.relevance.items():
        assert float(values[1].abs().sum()) == 0
        if method != "gradient-shap":  # what it draws depends on the batch
            torch.testing.assert_close(values[kept], wanted.relevance[name][kept])


def softmaxes() -> list[Callable[[Tensor], Tensor]]:
    return [
        nn.Softmax(1), nn.LogSoftmax(1), lambda s: s.softmax(1),
        lambda s: torch.nn.functional.log_softmax(s, dim=1),
    ]  # fmt: skip


class Ends(nn.Module):
    """A network with something at its end."""

    def __init__(self, end: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.body, self.head, self.end = nn.Linear(4, 6), nn.Linear(6, 3), end

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.head(self.body(x).relu()))


@pytest.mark.parametrize("end", softmaxes(), ids=["Softmax", "LogSoftmax", "softmax", "function"])
@pytest.mark.parametrize("method", GRADIENTS)
def test_a_final_softmax_is_left_out(method: str, end: Any) -> None:
    x = noise(4, 4)
    bare = run(method, realistic(Ends(nn.Identity())), x, steps=3)
    attribution = made(method, realistic(Ends(end)), x, steps=3)
    found = attribution.attribute(as_call(x))
    torch.testing.assert_close(found.relevance["body"], bare.relevance["body"])
    assert any("attributed is what it is given" in note for note in attribution.notes)


def test_a_forward_that_keeps_state_is_refused() -> None:
    class Counting(Ends):
        def forward(self, x: Tensor) -> Tensor:
            self.calls = getattr(self, "calls", 0) + 1
            return super().forward(x) * self.calls

    with pytest.raises(AttributionError, match="differs from the bare one"):
        run("lgxa", realistic(Counting(nn.Identity())), noise(4, 4))


def test_what_captum_raises_is_told_with_the_method(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("captum's own words")

    monkeypatch.setattr("captum.attr.LayerConductance.attribute", fails)
    with pytest.raises(MethodUnavailable, match=r"conductance cannot run.*captum's own words"):
        run("lc", realistic(Cut()), noise(2, 1, 3, 3))


def test_a_list_of_images_cannot_be_repeated_along_a_path() -> None:
    class OfList(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = nn.Conv2d(1, 3, 2), nn.Linear(3, 2)

        def forward(self, images: list[Tensor]) -> Tensor:
            return self.head(self.body(torch.stack(images)).relu().mean((2, 3)))

    images = list(noise(3, 1, 4, 4))
    model = realistic(OfList())
    assert run("lgxa", model, images).relevance["body"].shape == (3, 3)
    with pytest.raises(MethodUnavailable, match=r"floating numbers|list of tensors"):
        run("lc", model, images)


def test_an_empty_batch_and_no_layer() -> None:
    model, x = realistic(Cut()), noise(2, 1, 3, 3)
    with pytest.raises(AttributionError, match="the batch is empty"):
        made("lgxa", model, x).attribute(as_call(x[:0]))
    assert captum_base.FEWEST_ROWS > 1
    from pytest_deepimportance.attribution.base import create

    with pytest.raises(AttributionError, match="no layer is asked for"):
        create("lgxa", model=model, sites=made("la", model, x)._sites, layers=[])  # type: ignore[attr-defined]
