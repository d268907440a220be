from __future__ import annotations

import copy
import io
import pickle
import warnings

import torch
from torch import Tensor, nn

from pytest_deepimportance.recording.blocks import Block
from tests.recording.nets import Moody, Net, make, recorder_of, recording


def eager(model: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        return model(x)


# --- training mode -----------------------------------------------------------------------------


def test_training_mode_is_measured_in_eval_mode_on_the_state_before_the_step():
    model = make(Moody)
    x = torch.randn(8, 4)
    with recording(model) as (_, block):
        model(x)
        model.train()
        model(x)
        model.eval()
    first, second = (p.batch.layers["a"].values for p in block.passes)
    assert torch.allclose(first, second)
    assert block.train_mode_passes == 1


def test_training_mode_without_effect_is_recorded_directly():
    model = make()
    with recording(model) as (_, block):
        model.train()
        model(torch.randn(2, 4))
    assert block.counted_passes == 1
    assert block.train_mode_passes == 0


def test_single_submodules_keep_their_mode():
    model = make(Moody)
    model.drop.train()
    with recording(model) as (_, block):
        model(torch.randn(2, 4))
    assert block.train_mode_passes == 1
    assert [m.training for m in model.modules()] == [False, False, False, True, False]


def test_training_inside_a_test_ends_recording_and_restored_weights_resume_it():
    model = make(Moody)
    before = copy.deepcopy(model.state_dict())
    x = torch.randn(8, 4)
    with recording(model) as (recorder, block):
        model(x)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        model.train()
        for _ in range(4):
            optimizer.zero_grad()
            model(x).square().sum().backward()
            optimizer.step()
        model.eval()
        model(x)
        model.load_state_dict(before)
        model(x)
    # The first training step still runs on the profiled weights.
    assert block.counted_passes == 3
    assert block.counters.other_weights_passes == 4
    assert len(recorder.totals.to_wire()["details"]) == 1


def test_weights_written_through_data_are_seen_in_the_next_test():
    model = make()
    recorder = recorder_of(model)
    counted = []
    for change in (0.0, 1.0, -1.0):
        model.a.weight.data.add_(change)
        recorder.attach()
        recorder.block = block = Block("t", "test")
        model(torch.randn(2, 4))
        recorder.detach()
        counted.append(block.counted_passes)
    assert counted[:2] == [1, 0]


def test_functional_call_with_other_weights_is_not_recorded():
    model = make()
    other = {name: value + 1 for name, value in model.state_dict().items()}
    with recording(model) as (_, block):
        torch.func.functional_call(model, other, (torch.randn(2, 4),))
        model(torch.randn(3, 4))
    assert [len(p) for p in block.passes] == [3]
    assert block.counters.other_weights_passes == 1


# --- copies -----------------------------------------------------------------------------------


def test_copies_pickles_and_state_dicts_work_and_are_inert():
    model = make()
    keys = list(model.state_dict())
    with recording(model) as (_, block):
        model(torch.randn(2, 4))
        assert list(model.state_dict()) == keys
        twin = copy.deepcopy(model)
        dumped = pickle.dumps(model)
        buffer = io.BytesIO()
        torch.save(model, buffer)
        thin = io.BytesIO()
        torch.save(model.state_dict(), thin)
    assert b"deepimportance.recording" not in dumped.replace(b"tests.recording", b"")
    loaded = pickle.loads(dumped)
    saved = torch.load(io.BytesIO(buffer.getvalue()), weights_only=False)
    x = torch.randn(2, 4)
    for copied in (twin, loaded, saved):
        assert torch.equal(copied(x), model(x))
    torch.load(io.BytesIO(thin.getvalue()), weights_only=True)
    assert block.counted_passes == 1


def test_a_copy_made_in_one_test_is_recorded_in_it_and_in_the_next():
    model = make()
    recorder = recorder_of(model)
    recorder.attach()
    recorder.block = first = Block("first", "test")
    twin = copy.deepcopy(model)
    twin(torch.randn(2, 4))
    recorder.detach()
    recorder.attach()
    recorder.block = second = Block("second", "test")
    copy.deepcopy(twin)(torch.randn(3, 4)), twin(torch.randn(3, 4))
    recorder.detach()
    assert (first.counted_passes, second.counted_passes) == (1, 2)


# --- tracing ----------------------------------------------------------------------------------


def test_traced_passes_are_counted_not_recorded_and_the_trace_is_clean():
    model = make()
    x = torch.randn(2, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        plain = str(torch.jit.trace(model, (x,), check_trace=False).graph)
        with recording(model) as (recorder, block):
            traced = torch.jit.trace(model, (x,), check_trace=False)
    assert not block.passes
    assert "traced" in recorder.cause_of_nothing(block)
    assert str(traced.graph).count("\n") == plain.count("\n")


def test_exported_programs_are_clean():
    model = make()
    x = torch.randn(2, 4)
    with recording(model) as (_, block):
        exported = torch.export.export(model, (x,), strict=False)
    assert torch.equal(exported.module()(x), eager(model, x))
    assert not block.passes


def test_checkpointed_layers_are_not_partial_calls():
    from torch.utils.checkpoint import checkpoint

    class Saving(Net):
        def forward(self, x: Tensor) -> Tensor:
            return self.b(checkpoint(self.features, x, use_reentrant=False))

    model = make(Saving)
    with recording(model) as (_, block):
        model(torch.randn(2, 4)).sum().backward()
    assert block.counted_passes == 1
    assert block.counters.partial_model_calls == 0
