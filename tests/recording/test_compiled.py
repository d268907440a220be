"""Models that torch.compile compiled, around or in place, before or inside a test."""

from __future__ import annotations

import copy
import pickle
import warnings

import pytest
import torch
from torch import Tensor, nn

from pytest_deepimportance.recording.blocks import Block
from tests.recording.nets import Moody, hidden, make, recorder_of, recording


def eager(model: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        return model(x)


def wrapped(model: nn.Module) -> nn.Module:
    return torch.compile(model, backend="eager", fullgraph=True)


def in_place(model: nn.Module) -> nn.Module:
    model.compile(backend="eager", fullgraph=True)
    return model


@pytest.mark.parametrize("when", ["called before", "compiled before", "compiled inside"])
@pytest.mark.parametrize("how", [wrapped, in_place])
def test_compiled_models_are_recorded_exactly_once_a_call(how, when):
    torch._dynamo.reset()
    model = make()
    recorder = recorder_of(model)
    x, y = torch.randn(3, 4), torch.randn(2, 4)
    wanted = [eager(model, x), eager(model, y)]
    compiled = None
    if when != "compiled inside":
        compiled = how(model)
        if when == "called before":
            compiled(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        recorder.attach()
        if compiled is None:
            compiled = how(model)
        recorder.block = block = Block("t", "test")
        outputs = [compiled(x), compiled(y), compiled(x)]
        recorder.block = None
        recorder.detach()
    assert [len(p) for p in block.passes] == [3, 2, 3]
    assert torch.allclose(block.passes[1].batch.layers["a"].values, hidden(model, y))
    assert block.passes[1].batch.predictions.tolist() == wanted[1].argmax(1).tolist()
    assert block.counters.compiled_passes == 3
    assert block.counters.dropped_passes == 0
    assert torch.equal(outputs[0], wanted[0])
    assert torch.equal(outputs[1], wanted[1])
    # Afterwards the compiled form runs as before, and nothing is recorded.
    assert torch.equal(compiled(x), wanted[0])
    assert block.counted_passes == 3


@pytest.mark.parametrize("own", [False, True])
def test_a_model_compiled_in_place_during_a_test_is_recorded_from_the_first_call(own):
    torch._dynamo.reset()
    model = make()
    used = make() if own else model
    x, function = torch.randn(2, 4), torch.compile
    wanted = eager(used, x)
    with recording(model) as (recorder, block):
        used.compile(backend="eager", fullgraph=True)
        assert torch.equal(used(x), wanted)
        recorder.detach()
        assert torch.compile is function
        assert type(used._compiled_call_impl).__name__ == "function"
        used(x)
        recorder.attach()
        recorder.block = later = Block("later", "test")
        used(torch.randn(3, 4))
    assert (block.counters.compiled_passes, block.counters.dropped_passes) == (1, 0)
    assert [len(p) for p in block.passes] == [2]
    assert [len(p) for p in later.passes] == [3]


def test_what_else_is_compiled_meanwhile_is_left_alone():
    model, other = make(), nn.Linear(4, 2)
    with recording(model) as (_, block):
        other.compile(backend="eager")
        assert type(other._compiled_call_impl).__name__ == "function"
        assert torch.compile(backend="eager")(abs)(torch.tensor(-1.0)) == 1
        make(seed=1).compile(backend="eager")
    assert not block.passes


def test_a_function_of_torch_that_others_replace_meanwhile_stays(monkeypatch):
    function = torch.compile
    monkeypatch.setattr(torch, "compile", function)  # put back when the test ends
    with recording(make()):
        ours = torch.compile
        torch.compile = theirs = lambda *a, **k: ours(*a, **k)
    assert torch.compile is theirs


@pytest.mark.parametrize("passes", [1, 2])
def test_a_compiled_function_around_a_copy_is_named(passes):
    torch._dynamo.reset()
    model, other = make(), make()
    function = torch.compile(lambda value: other(value), backend="eager", fullgraph=True)
    with recording(model) as (recorder, block):
        for _ in range(passes):
            function(torch.randn(2, 4))
        assert "torch.compile" in recorder.cause_of_nothing(block)
    assert block.counters.dropped_passes == 1


def test_a_compiled_function_around_the_model_is_named():
    torch._dynamo.reset()
    model = make()
    x = torch.randn(2, 4)
    wanted = eager(model, x) * 2

    @torch.compile(backend="eager", fullgraph=True)
    def doubled(value: Tensor) -> Tensor:
        return model(value) * 2

    with recording(model) as (recorder, block):
        assert torch.equal(doubled(x), wanted)
        assert "torch.compile" in recorder.cause_of_nothing(block)
    assert not block.passes
    assert block.counters.dropped_passes == 1
    assert torch.equal(doubled(x), wanted)


def test_a_compiled_module_that_holds_the_model_is_counted_a_call():
    torch._dynamo.reset()
    model = make()
    compiled = torch.compile(nn.Sequential(model), backend="eager", fullgraph=True)
    with recording(model) as (_, block):
        compiled(torch.randn(2, 4))
        compiled(torch.randn(2, 4))
        compiled.eval()
    assert not block.passes
    assert block.counters.dropped_passes == 2


def test_a_compiled_model_in_training_mode_keeps_mode_and_random_state():
    torch._dynamo.reset()
    model, twin = make(Moody), make(Moody)
    compiled = torch.compile(model.train(), backend="eager")
    x = torch.randn(6, 4)
    with recording(model) as (_, block):
        torch.manual_seed(3)
        output = compiled(x)
    torch.manual_seed(3)
    assert torch.allclose(output, twin.train()(x))
    assert (block.train_mode_passes, block.counters.compiled_passes) == (1, 1)
    assert torch.allclose(block.activations().layers["a"].values, _moody_hidden(x))


def _moody_hidden(x: Tensor) -> Tensor:
    model = make(Moody)
    with torch.no_grad():
        return torch.relu(model.norm(model.a(x)))


def test_attack_steps_through_a_compiled_model():
    torch._dynamo.reset()
    model = make()
    compiled = torch.compile(model, backend="eager")
    with recording(model) as (_, block):
        x = torch.randn(3, 4, requires_grad=True)
        compiled(x).sum().backward()
        compiled(x.detach())
    assert [p.is_attack for p in block.passes] == [True, False]


def test_a_compiled_model_that_raises_commits_nothing():
    torch._dynamo.reset()
    model = make()
    with recording(model, before=lambda: model.compile(backend="eager")) as (_, block):
        with pytest.raises(Exception):  # noqa: B017
            model(torch.randn(2, 5))
        model(torch.randn(2, 4))
    assert block.counted_passes == 1
    assert block.counters.raised_passes == 1


def test_a_compile_pickle_is_not_disturbed():
    model = make()
    with recording(model, before=lambda: model.compile(backend="eager")):
        twin = copy.deepcopy(model)
        pickle.dumps(model)
    assert twin._compiled_call_impl is None
    assert type(model._compiled_call_impl).__name__ != "_CompiledCall"
