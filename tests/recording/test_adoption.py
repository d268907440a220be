from __future__ import annotations

import copy
import gc
import importlib.util
import sys
import weakref
from collections import OrderedDict

import torch
from torch import Tensor, nn

from pytest_deepimportance.recording import weights as weights_module
from pytest_deepimportance.recording.adoption import same_class
from pytest_deepimportance.recording.blocks import Block
from tests.recording.nets import Moody, Net, hidden, make, recorder_of, recording


class Tokens(Net):
    """The mask is a keyword argument only."""

    def forward(self, x: Tensor, *, attention_mask: Tensor | None = None) -> Tensor:
        return self.b(self.features(x)).mean(1)


def test_another_instance_with_equal_weights_is_recorded_from_its_first_call():
    model, other = make(), make()
    x = torch.randn(3, 4)
    with recording(model) as (_, block):
        other(x)
        other(x)
        model(x)
    assert block.counted_passes == 3
    assert torch.allclose(block.activations().layers["a"].values, hidden(model, x).repeat(3, 1))


def test_the_first_call_sees_keyword_arguments():
    model, other = make(Tokens), make(Tokens)
    x, mask = torch.randn(2, 5, 4), torch.tensor([[1, 1, 0, 0, 0], [1, 1, 1, 1, 1]])
    with recording(model, example=x) as (_, block):
        other(x, attention_mask=mask)
        model(x, attention_mask=mask)
        other(x=x, attention_mask=mask)
    first, second, third = (p.batch for p in block.passes)
    assert torch.equal(first.layers["a"].values, second.layers["a"].values)
    assert torch.equal(first.layers["a"].values, third.layers["a"].values)
    assert first.digests.tolist() == second.digests.tolist()


def test_other_weights_are_named_not_recorded():
    model, other = make(), make(seed=1)
    with recording(model) as (recorder, block):
        for _ in range(12):
            other(torch.randn(2, 4))
    assert not block.passes
    assert block.counters.other_weights_passes == recorder.totals.other_weights_passes == 12
    cause = recorder.cause_of_nothing(block)
    assert cause.startswith("12 passes of another Net with other weights (fingerprint ")
    assert recorder.expected[:8] in cause


def test_weights_loaded_after_a_first_call_are_seen():
    model, other = make(), make(seed=1)
    with recording(model) as (_, block):
        other(torch.zeros(1, 4))
        other.load_state_dict(model.state_dict())
        other(torch.randn(2, 4))
    assert [len(p) for p in block.passes] == [2]


def test_a_deep_copy_is_adopted_and_a_shallow_copy_is_recorded_once():
    model = make()
    with recording(model) as (_, block):
        copy.deepcopy(model)(torch.randn(2, 4))
        copy.copy(model)(torch.randn(3, 4))
    assert [len(p) for p in block.passes] == [2, 3]


def test_modules_around_the_model_change_nothing():
    model = make()
    wrapper = nn.DataParallel(nn.Sequential(nn.Identity(), model))
    with recording(model) as (_, block):
        wrapper(torch.randn(2, 4))
    assert block.counted_passes == 1


def test_containers_of_the_same_class_are_not_mistaken():
    torch.manual_seed(0)
    inner = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), inner, nn.Linear(3, 2)).eval()
    other = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    around = nn.Sequential(other, model)
    with recording(model) as (recorder, block):
        around(torch.randn(2, 4))
        other(torch.randn(2, 4))
        inner(torch.randn(2, 3))
        copy.deepcopy(model)(torch.randn(3, 4))
    assert [len(p) for p in block.passes] == [2, 3]
    assert recorder.totals.other_weights_passes == 0


def test_an_equal_container_with_other_weights_is_named():
    model = nn.Sequential(OrderedDict(a=nn.Linear(4, 3), r=nn.ReLU(), b=nn.Linear(3, 2))).eval()
    other = nn.Sequential(OrderedDict(a=nn.Linear(4, 3), r=nn.ReLU(), b=nn.Linear(3, 2))).eval()
    with recording(model) as (recorder, _):
        other(torch.randn(2, 4))
    assert recorder.totals.other_weights_passes == 1


def test_a_class_imported_twice_from_one_file_is_the_same(tmp_path):
    source = tmp_path / "net.py"
    source.write_text(
        "import torch\n"
        "class Twice(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.a = torch.nn.Linear(4, 3)\n"
        "        self.b = torch.nn.Linear(3, 2)\n"
        "    def forward(self, x):\n"
        "        return self.b(torch.relu(self.a(x)))\n"
    )

    def load(name: str) -> type[nn.Module]:
        spec = importlib.util.spec_from_file_location(name, source)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.Twice

    first, second = load("one"), load("two")
    model = make(first)
    with recording(model) as (_, block):
        make(second)(torch.randn(2, 4))
    assert first is not second
    assert block.counted_passes == 1


def test_classes_that_share_only_a_name_differ():
    class Other(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x

    Other.__qualname__ = Net.__qualname__
    assert not same_class(Other, Net)
    assert not same_class(nn.Linear, Net)
    assert same_class(Net, Net)


def test_nothing_but_a_lookup_happens_for_other_modules(monkeypatch):
    model = make()
    calls = []
    with recording(model) as (recorder, _):
        monkeypatch.setattr(recorder._adoption, "_classify", lambda k: calls.append(k) or None)
        net = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
        net(torch.randn(2, 4))
    assert set(calls) <= {nn.Sequential, nn.Linear, nn.ReLU}


def test_a_service_model_is_hashed_once_in_all_tests(monkeypatch):
    model, service = make(), make()
    hashed = []
    real = weights_module.fingerprint
    recorder = recorder_of(model)
    monkeypatch.setattr(weights_module, "fingerprint", lambda m: hashed.append(m) or real(m))
    for number in range(3):
        recorder.attach()
        recorder.block = block = Block(str(number), "test")
        service(torch.randn(2, 4)), service(torch.randn(2, 4))
        recorder.detach()
        assert block.counted_passes == 2
    assert hashed == [service]


def test_an_adopted_model_can_be_freed():
    model = make()
    with recording(model) as (recorder, block):
        other, wrong = make(), make(seed=1)
        recorder.watch(other)
        other(torch.randn(2, 4)), wrong(torch.randn(2, 4))
        refs = [weakref.ref(other), weakref.ref(wrong)]
        del other, wrong
        gc.collect()
        assert [ref() for ref in refs] == [None, None]
    assert block.counted_passes == 1


def test_an_adopted_model_in_training_mode_is_measured_in_eval_mode():
    model, other = make(Moody), make(Moody).train()
    x = torch.randn(6, 4)
    with recording(model) as (_, block):
        model(x)
        other(x)
    first, second = (p.batch.layers["a"].values for p in block.passes)
    assert torch.allclose(first, second)
    assert other.training
    assert block.train_mode_passes == 1


def test_a_watched_module_of_another_class_is_recorded_in_later_tests_too():
    class Renamed(Net):
        pass

    Renamed.__qualname__ = Net.__qualname__
    Renamed.forward = lambda self, x: Net.forward(self, x)
    model, other = make(), make(Renamed)
    recorder = recorder_of(model)
    recorder.watch(other)
    for _ in range(2):
        recorder.attach()
        recorder.block = block = Block("t", "test")
        other(torch.randn(2, 4))
        recorder.detach()
        assert block.counted_passes == 1
    recorder.block = None


def test_two_recorders_at_once_do_not_disturb_each_other():
    first, second = make(), make(seed=1)
    shared = torch.randn(2, 4)
    with recording(first) as (_, one), recording(second) as (_, two):
        one.counters.other_weights_passes = 0  # the second recorder's probe
        first(shared), second(shared), make(seed=1)(shared)
    assert (one.counted_passes, two.counted_passes) == (1, 2)
    # The very model of another recorder is no stranger; a copy of it is.
    assert one.counters.other_weights_passes == 1
    assert two.counters.other_weights_passes == 0


def test_a_compile_wrapper_of_an_adopted_model():
    model, other = make(), make()
    compiled = torch.compile(other, backend="eager")
    x = torch.randn(3, 4)
    with recording(model) as (_, block):
        compiled(x)
        compiled(x=x)
    assert block.counted_passes == 2
    assert block.counters.compiled_passes == 2
    assert block.counters.dropped_passes == 0
    assert "torch._dynamo" in sys.modules


def test_the_second_forward_of_one_recorder_is_no_pass_to_another():
    model = make(Moody)
    recorders = [recorder_of(model), recorder_of(model)]
    blocks = [Block("one", "test"), Block("two", "test")]
    for recorder, block in zip(recorders, blocks, strict=True):
        recorder.attach()
        recorder.block = block
    model.train()
    model(torch.randn(6, 4))
    for recorder in recorders:
        recorder.detach()
    assert [block.counted_passes for block in blocks] == [1, 1]
    assert [block.train_mode_passes for block in blocks] == [1, 1]
