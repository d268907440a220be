from __future__ import annotations

import copy
import io
import warnings

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from pytest_deepimportance.recording.gradients import GradientWatch, detached, tensors_in
from tests.recording.nets import Moody, Net, hidden, make, recording

LABELS = torch.tensor([0, 1, 0])


def kept(block) -> list[Tensor]:
    return [p.batch.layers["a"].values for p in block.passes if not p.is_attack]


def test_fgsm_of_the_pytorch_tutorial_keeps_the_adversarial_pass():
    model = make()
    with recording(model) as (recorder, block):
        data = torch.randn(3, 4)
        data.requires_grad = True
        loss = cross_entropy(model(data), LABELS)
        model.zero_grad()
        loss.backward()
        perturbed = (data + 0.1 * data.grad.sign()).clamp(-3, 3)
        model(perturbed)
    assert block.attack_passes == recorder.totals.attack_passes == 1
    assert [torch.allclose(v, hidden(model, perturbed)) for v in kept(block)] == [True]


@pytest.mark.parametrize("by", ["backward", "grad"])
def test_pgd_keeps_the_final_pass(by):
    model = make()
    with recording(model) as (_, block):
        clean = torch.randn(3, 4)
        x = clean.clone()
        for _ in range(5):
            x = x.detach().requires_grad_(True)
            loss = cross_entropy(model(x), LABELS)
            if by == "grad":
                (gradient,) = torch.autograd.grad(loss, x)
            else:
                loss.backward()
                gradient = x.grad
            x = (x.detach() + 0.05 * gradient.sign()).clamp(clean - 0.2, clean + 0.2)
        model(x)
    assert block.attack_passes == 5
    assert [torch.allclose(v, hidden(model, x)) for v in kept(block)] == [True]


def test_carlini_wagner_keeps_the_final_pass():
    model = make()
    with recording(model) as (_, block):
        clean = torch.rand(3, 4)
        w = torch.atanh(clean * 1.98 - 0.99).requires_grad_(True)
        optimizer = torch.optim.Adam([w], lr=0.05)
        for _ in range(5):
            adversarial = (torch.tanh(w) + 1) / 2
            scores = model(adversarial)
            margin = (scores[torch.arange(3), LABELS] - scores[torch.arange(3), 1 - LABELS]).clamp(
                0
            )
            loss = ((adversarial - clean) ** 2).sum() + margin.sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        final = (torch.tanh(w) + 1) / 2
        model(final)
    assert block.attack_passes == 5
    assert [torch.allclose(v, hidden(model, final)) for v in kept(block)] == [True]


def test_an_attack_on_inner_features_is_an_attack():
    model = make()
    seen = []
    model.a.register_forward_hook(lambda m, a, o: seen.append(o))
    with recording(model, tap="pre") as (_, block):
        x = torch.randn(3, 4, requires_grad=True)
        model(x)
        seen[-1].norm().backward()
    assert block.attack_passes == 1


def test_only_the_differentiated_pass_of_one_input_is_an_attack_step():
    model = make()
    with recording(model) as (_, block):
        x = torch.randn(3, 4, requires_grad=True)
        model(x)
        model(x).sum().backward()
        model(x)
    assert [p.is_attack for p in block.passes] == [False, True, False]


def test_training_on_plain_inputs_is_no_attack():
    model = make()
    with recording(model) as (_, block):
        model(torch.randn(3, 4)).sum().backward()
        x = torch.randn(3, 4, requires_grad=True)
        torch.autograd.grad(model(x).sum(), list(model.parameters()))
    assert block.counted_passes == 2


def test_a_model_that_differentiates_itself_is_no_attack():
    class Energy(Net):
        def forward(self, x: Tensor) -> Tensor:
            with torch.enable_grad():
                x = x if x.requires_grad else x.requires_grad_(True)
                energy = super().forward(x)
                (force,) = torch.autograd.grad(energy.sum(), x, create_graph=True)
            return energy + force.sum()

    model = make(Energy)
    with recording(model) as (_, block):
        model(torch.randn(3, 4, requires_grad=True))
    assert block.counted_passes == 1


def test_the_test_ends_the_watching_and_leaves_the_tensor_clean():
    model = make()
    x = torch.randn(3, 4, requires_grad=True)
    with recording(model) as (_, block):
        output = model(x)
    assert not x._backward_hooks
    output.sum().backward()
    assert block.counted_passes == 1
    assert x.grad is not None


def test_gradients_are_unchanged_and_tensors_can_be_copied_and_saved():
    model = make()
    x = torch.randn(3, 4, requires_grad=True)
    model(x).square().sum().backward()
    wanted, x.grad = x.grad, None
    with recording(model), warnings.catch_warnings():
        warnings.simplefilter("error")
        output = model(x)
        torch.save(x, io.BytesIO())
        copy.deepcopy(x)
        output.square().sum().backward()
    assert torch.equal(x.grad, wanted)


def test_attack_steps_in_training_mode_are_attack_steps():
    model = make(Moody)
    with recording(model) as (_, block):
        model.train()
        x = torch.randn(3, 4, requires_grad=True)
        model(x).sum().backward()
        model.eval()
    assert block.attack_passes == 1


def test_a_labelled_test_labels_the_pass_that_counts():
    from pytest_deepimportance.recording.labelling import label_newest

    model = make()
    with recording(model) as (_, block):
        x = torch.randn(3, 4, requires_grad=True)
        model(x.detach())
        model(x).sum().backward()
        label_newest([block], LABELS)
    assert block.activations().labels.tolist() == LABELS.tolist()


def test_inputs_without_gradient_are_not_watched():
    watch = GradientWatch()
    watch.watch_inputs((torch.ones(2), {"ids": torch.ones(2, dtype=torch.long)}))
    with torch.no_grad():
        watch.watch_inputs(torch.ones(2, requires_grad=True))
    watch.watch_inside(torch.ones(2, requires_grad=True))
    assert not watch.watching
    watch.close()


def test_nested_tensors_are_found_and_copied():
    x = torch.ones(2, requires_grad=True)
    nested = {"a": [x, (x, 3)], "b": "text", "c": nn.Identity}
    assert len(list(tensors_in(nested))) == 2
    copied = detached(nested)
    assert copied["a"][0] is not x
    assert not copied["a"][0].requires_grad
    assert copied["a"][1][1] == 3
    assert copied["c"] is nn.Identity
    named = torch.return_types.max((x, x))
    assert len(list(tensors_in(detached(named)))) == 2
