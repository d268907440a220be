"""Hooks that stay on between two tests: nothing is noted meanwhile, whatever happens then is seen."""

from __future__ import annotations

import copy
import gc
import weakref
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module

from pytest_deepimportance.recording.blocks import Block
from pytest_deepimportance.recording.recorder import Recorder
from tests.recording.nets import Moody, make, recording


class Layers(nn.Module):
    """Every site is the output of a module."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 5)
        self.act = nn.ReLU()
        self.out = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.act(self.fc(x)))


X = torch.randn(3, 4, generator=torch.Generator().manual_seed(2))


def next_test(recorder: Recorder, meanwhile: Callable[[], object] = lambda: None) -> Block:
    """End a test, let something happen, and begin another with a block of its own."""
    recorder.rest()
    recorder.block = None
    meanwhile()
    recorder.attach()
    block = recorder.block = Block("next", "test")
    return block


def fc_of(block: Block) -> Tensor:
    batch = block.activations()
    assert batch is not None
    return batch.layers["fc"].values


@pytest.mark.parametrize("adopted", [False, True])
def test_passes_between_tests_are_not_noted_and_later_ones_are(adopted):
    model = make(Layers)
    used = copy.deepcopy(model) if adopted else model
    with recording(model) as (recorder, block):
        used(X)
        second = next_test(recorder, lambda: (used(X), used.fc(X), used.out(torch.ones(1, 5))))
        used(X[:2])
        assert [len(passed) for passed in block.passes] == [3]
        assert [len(passed) for passed in second.passes] == [2]
        assert not recorder.totals.any
        torch.testing.assert_close(fc_of(second), used.act(used.fc(X[:2])).detach())


def test_hooks_stay_where_they_are_and_are_gone_at_the_end():
    model = make(Layers)
    with recording(model) as (recorder, _):
        before = [hook for part in model.modules() for hook in part._forward_hooks]
        next_test(recorder)
        assert [hook for part in model.modules() for hook in part._forward_hooks] == before
        recorder.rest()
        assert not recorder.attached
        recorder.detach()
        assert not recorder.attached
        for part in model.modules():
            assert not part._forward_hooks
            assert not part._forward_pre_hooks
        assert not torch_module._global_forward_pre_hooks


def test_hooks_that_were_taken_off_meanwhile_are_put_on_again():
    model = make(Layers)
    with recording(model) as (recorder, _):
        model(X)
        second = next_test(recorder, lambda: [p._forward_hooks.clear() for p in model.modules()])
        model(X)
        third = next_test(recorder, model._forward_pre_hooks.clear)
        model(X)
        for block in (second, third):
            assert [sorted(passed.layer_names) for passed in block.passes] == [["fc"]]


def test_a_hook_that_came_meanwhile_is_in_what_is_read():
    model = make(Layers)
    with recording(model) as (recorder, block):
        model(X)
        handle = []
        second = next_test(
            recorder,
            lambda: handle.append(model.act.register_forward_hook(lambda m, a, out: out + 1)),
        )
        model(X)
        handle[0].remove()
        third = next_test(recorder)
        model(X)
        torch.testing.assert_close(fc_of(second), fc_of(block) + 1)
        torch.testing.assert_close(fc_of(third), fc_of(block))


@pytest.mark.parametrize("meanwhile", [True, False])
def test_a_layer_in_anothers_place_is_read(meanwhile):
    model = make(Layers)

    def replace() -> None:
        model.act = nn.ReLU()
        fc, model.fc = model.fc, nn.Linear(4, 5)
        model.fc.load_state_dict(fc.state_dict())

    with recording(model) as (recorder, _):
        model(X)
        second = next_test(recorder, replace if meanwhile else lambda: None)
        model(X)
        if not meanwhile:
            replace()
            model(X)
        assert [sorted(p.layer_names) for p in second.passes] == [["fc"]] * (1 if meanwhile else 2)
        assert not recorder.totals.any


def test_another_activation_is_other_weights():
    model = make(Layers)
    with recording(model) as (recorder, _):
        model(X)
        second = next_test(recorder, lambda: setattr(model, "act", nn.LeakyReLU()))
        model(X)
        assert not second.passes
        assert second.counters.other_weights_passes == 1


def test_weights_changed_meanwhile_are_seen():
    model = make(Layers)
    with recording(model) as (recorder, _):
        model(X)
        before = model.fc.weight.detach().clone()
        second = next_test(recorder, lambda: model.fc.weight.data.add_(1))
        model(X)
        assert second.counters.other_weights_passes == 1
        third = next_test(recorder, lambda: model.fc.weight.data.copy_(before))
        model(X)
        assert len(third.passes) == 1


def test_a_mode_changed_meanwhile_is_seen():
    model = make(Moody)
    with recording(model) as (recorder, _):
        model(X)
        second = next_test(recorder, lambda: model.drop.train())
        model(X)
        assert second.train_mode_passes == 1


def test_a_model_made_for_one_test_can_be_freed_before_the_next():
    model = make(Layers)
    with recording(model) as (recorder, _):
        own = copy.deepcopy(model)
        own(X)
        gone = [weakref.ref(part) for part in (own, own.fc, own.fc.weight)]
        gc.disable()  # large models must not wait for the collector
        try:
            del own
            assert [part() for part in gone] == [None] * 3
        finally:
            gc.enable()
        second = next_test(recorder)
        copy.deepcopy(model)(X)
        assert len(second.passes) == 1


def test_a_pass_that_outlives_its_test_is_dropped_and_counted():
    model = make(Layers)
    seen = []

    class Stop(BaseException):
        pass

    def stop(module: nn.Module, args: object) -> None:
        if not seen:
            seen.append(recorder.flights.here)
            raise Stop

    with recording(model) as (recorder, block):
        model.out.register_forward_pre_hook(stop)
        with pytest.raises(Stop):
            model(X)
        second = next_test(recorder)
        model(X)
        assert not block.passes
        assert len(second.passes) == 1
