from __future__ import annotations

import copy
import gc
import threading
import weakref

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module

from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.data.digests import row_digests
from pytest_deepimportance.errors import RecordingError
from pytest_deepimportance.recording.blocks import Block
from tests.recording.nets import Moody, Net, hidden, make, recorder_of, recording


def test_a_pass_is_recorded_with_values_digests_predictions():
    model = make()
    x = torch.randn(5, 4)
    with recording(model) as (_, block):
        output = model(x)
    batch = block.activations()
    assert torch.allclose(batch.layers["a"].values, hidden(model, x))
    assert torch.allclose(batch.layers["a"].raw_min, hidden(model, x).amin(1))
    assert torch.allclose(batch.layers["a"].raw_max, hidden(model, x).amax(1))
    assert batch.predictions.tolist() == output.argmax(1).tolist()
    assert batch.digests.tolist() == row_digests(as_call(x)).tolist()
    assert batch.labels.tolist() == [-1] * 5


def test_passes_keep_their_order_and_repeated_inputs_repeat_their_digest():
    model = make()
    x, y = torch.randn(2, 4), torch.randn(3, 4)
    with recording(model) as (_, block):
        model(x), model(y), model(x)
    digests = block.activations().digests
    assert len(digests) == 7
    assert digests[:2].tolist() == digests[5:].tolist()
    assert len(np.unique(digests)) == 5


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_copies_are_ordinary_tensors_whatever_the_gradient_mode(mode):
    model = make()
    with recording(model) as (_, block):
        with mode():
            model(torch.randn(2, 4))
        with torch.inference_mode():
            model(torch.randn(2, 4))
        model(torch.randn(2, 4))
    values = block.activations().layers["a"].values
    values += 1  # raises for an inference tensor
    for recorded in block.passes:
        layer = recorded.batch.layers["a"]
        assert not layer.values.is_inference()
        assert not layer.raw_min.is_inference()
        assert not layer.values.requires_grad


def test_the_pass_of_the_user_is_untouched():
    model = make(Moody)
    x = torch.randn(6, 4, requires_grad=True)
    torch.manual_seed(1)
    plain = model.train()(x)
    plain.sum().backward()
    wanted = (x.grad.clone(), model.a.weight.grad.clone(), torch.get_rng_state())
    twin = make(Moody)
    x.grad = None
    with recording(twin) as (_, block):
        torch.manual_seed(1)
        output = twin.train()(x)
        output.sum().backward()
        state = torch.get_rng_state()
    assert torch.equal(output, plain)
    assert torch.equal(x.grad, wanted[0])
    assert torch.equal(twin.a.weight.grad, wanted[1])
    assert torch.equal(state, wanted[2])
    assert twin.training
    assert twin.drop.training
    assert torch.equal(twin.norm.running_mean, model.norm.running_mean)
    assert block.attack_passes == 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_models_of_other_precision(dtype):
    model = make().to(dtype)
    x = torch.randn(3, 4, dtype=dtype)
    with recording(model, example=x) as (_, block):
        model(x)
    values = block.activations().layers["a"].values
    assert torch.allclose(values.double(), hidden(model, x).double(), atol=0.02)


def test_autocast():
    model = make()
    x = torch.randn(3, 4)
    with recording(model) as (_, block), torch.autocast("cpu", torch.bfloat16):
        model(x)
    values = block.activations().layers["a"].values
    assert torch.allclose(values.float(), hidden(model, x), atol=0.05)


def test_a_wrapper_that_calls_the_model_twice_makes_two_passes():
    class Averaged(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Tensor) -> Tensor:
            return (self.inner(x) + self.inner(x.flip(1))) / 2

    model = make()
    with recording(model) as (_, block):
        Averaged(model)(torch.randn(4, 4))
    assert [len(p) for p in block.passes] == [4, 4]


def test_recursion_inside_a_pass_makes_no_pass():
    class Nested(Net):
        def forward(self, x: Tensor, again: bool = True) -> Tensor:
            first = super().forward(x)
            return first + self(x * 2, again=False) if again else first

    model = make(Nested)
    x = torch.randn(4, 4)
    with recording(model) as (_, block):
        model(x)
    assert block.counted_passes == 1
    layers = block.activations().layers
    assert torch.allclose(layers["a"].values, hidden(model, x))
    assert torch.allclose(layers["a#1"].values, hidden(model, x * 2))


def test_a_pass_that_raises_leaves_no_trace_but_a_count():
    class Fragile(Net):
        fail = False

        def forward(self, x: Tensor) -> Tensor:
            output = super().forward(x)
            if self.fail:
                raise ValueError("no")
            return output

    model = make(Fragile)
    with recording(model) as (recorder, block):
        model.fail = True
        with pytest.raises(ValueError, match="no"):
            model(torch.randn(2, 4))
        try:
            raise KeyError("a pass inside an except clause is an ordinary pass")
        except KeyError:
            model.fail = False
            model(torch.randn(3, 4))
    assert [len(p) for p in block.passes] == [3]
    assert block.counters.raised_passes == 1
    assert recorder.totals.to_wire()["details"] == ["1 pass raised an exception"]


def test_an_exit_through_a_forward_does_not_swallow_the_next_test():
    class Timeout(BaseException):
        pass

    class Slow(Net):
        late = False

        def forward(self, x: Tensor) -> Tensor:
            if self.late:
                raise Timeout
            return super().forward(x)

    model = make(Slow)
    with recording(model) as (recorder, block):
        model.late = True
        with pytest.raises(Timeout):
            model(torch.randn(2, 4))
        model.late = False
        recorder.block = follower = Block("next", "test")
        model(torch.randn(3, 4))
    assert not block.passes
    assert [len(p) for p in follower.passes] == [3]


@pytest.mark.parametrize("next_is", ["the model", "another", "a copy", "compiled", "in place"])
def test_an_exit_that_the_test_catches_does_not_swallow_its_next_passes(next_is: str):
    class Timeout(BaseException):
        pass

    def stop(*_: object) -> None:
        raise Timeout

    model = make()
    other = {
        "the model": lambda: model,
        "another": lambda: make(),
        "a copy": lambda: copy.deepcopy(model),
        "compiled": lambda: torch.compile(model, backend="eager"),
        "in place": lambda: compiled_in_place(model),
    }[next_is]()
    with recording(model) as (recorder, block):
        handle = model.b.register_forward_hook(stop)
        with pytest.raises(Timeout):
            model(torch.randn(2, 4))
        handle.remove()
        other(torch.randn(3, 4))
        model(torch.randn(5, 4))
    assert [len(p) for p in block.passes] == [3, 5]
    assert recorder.totals.dropped_passes == 1


def compiled_in_place(model: nn.Module) -> nn.Module:
    model.compile(backend="eager")
    return model


def test_a_model_that_calls_itself_is_one_pass_each_time():
    class Twice(Net):
        again = True

        def forward(self, x: Tensor) -> Tensor:
            if self.again:
                self.again = False
                self(x)
                self.again = True
            return super().forward(x)

    model = make(Twice)
    with recording(model) as (_, block):
        model(torch.randn(2, 4))
        model(torch.randn(3, 4))
    assert [len(p) for p in block.passes] == [2, 3]


def test_threads_do_not_mix():
    class Waiting(Net):
        def __init__(self) -> None:
            super().__init__()
            self.barrier = None

        def forward(self, x: Tensor) -> Tensor:
            inner = self.features(x)
            if self.barrier is not None:
                self.barrier.wait()
            return self.b(inner)

    model = make(Waiting)
    inputs = [torch.randn(2, 4), torch.randn(3, 4)]
    with recording(model) as (_, block):
        model.barrier = threading.Barrier(2)

        def run(x: Tensor) -> None:
            for _ in range(10):
                model(x)

        threads = [threading.Thread(target=run, args=(x,)) for x in inputs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert block.counted_passes == 20
    for recorded in block.passes:
        x = inputs[len(recorded) - 2]
        assert torch.allclose(recorded.batch.layers["a"].values, hidden(model, x))
        assert recorded.batch.digests.tolist() == row_digests(as_call(x)).tolist()


class Held(Net):
    """Waits inside its forward until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = self.go = None

    def forward(self, x: Tensor) -> Tensor:
        if self.inside is not None:
            self.inside.set()
            self.go.wait(10)
        return super().forward(x)


def _held_call(model: Held) -> threading.Thread:
    model.inside, model.go = threading.Event(), threading.Event()
    thread = threading.Thread(target=model, args=(torch.randn(2, 4),))
    thread.start()
    model.inside.wait(10)
    return thread


def test_a_pass_belongs_to_the_block_in_which_it_began():
    model = make(Held)
    with recording(model) as (recorder, block):
        thread = _held_call(model)
        recorder.block = later = Block("later", "test")
        model.go.set()
        thread.join()
    assert [len(p) for p in block.passes] == [2]
    assert not later.touched


def test_a_pass_that_outlives_its_frozen_block_is_dropped_and_counted():
    model = make(Held)
    with recording(model) as (recorder, block):
        thread = _held_call(model)
        block.freeze()
        recorder.block = Block("later", "test")
        model.go.set()
        thread.join()
    assert not block.passes
    assert recorder.totals.dropped_passes == 1
    assert recorder.totals.to_wire()["details"] == ["1 pass ended after their test"]


def test_a_thread_that_outlives_the_hooks_is_counted_and_records_again_later():
    model = make(Held)
    done = threading.Event()
    with recording(model) as (recorder, block):
        thread = _held_call(model)
    assert recorder.totals.to_wire()["details"] == [
        "1 pass was cut off, or still ran when the test ended"
    ]
    model.go.set()
    thread.join()
    model.inside = None
    recorder.attach()
    recorder.block = later = Block("later", "test")
    model(torch.randn(3, 4))
    recorder.detach()
    assert not done.is_set()
    assert not block.passes
    assert [len(p) for p in later.passes] == [3]


def test_a_pass_without_a_block_is_dropped_and_counted():
    model = make()
    with recording(model) as (recorder, block):
        recorder.block = None
        model(torch.randn(2, 4))
    assert not block.touched
    assert recorder.totals.dropped_passes == 1


def test_paused_passes_are_counted_also_when_nested():
    model = make()
    with recording(model) as (recorder, block):
        with recorder.paused():
            with recorder.paused():
                model(torch.randn(2, 4))
            model(torch.randn(2, 4))
        model(torch.randn(2, 4))
    assert block.counted_passes == 1
    assert block.counters.paused_passes == recorder.totals.paused_passes == 2


def test_unmarked_tests_are_only_counted():
    model = make()
    recorder = recorder_of(model)
    recorder.attach_counter()
    recorder.block = Block("unmarked", "test")
    model(torch.randn(2, 4))
    model(torch.randn(2, 4))
    assert recorder.counting_only
    assert not recorder.attached
    recorder.detach()
    model(torch.randn(2, 4))
    assert recorder.counted == recorder.totals.unmarked_passes == 2
    assert not recorder.block.passes


def test_labels_in_the_call_are_taken():
    class Loss(Net):
        def forward(self, x: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
            return {"logits": super().forward(x), "loss": torch.tensor(0.0)}

    model = make(Loss)
    x, y = torch.randn(3, 4), torch.tensor([1, 0, 1])
    with recording(model) as (_, block):
        output = model(x, labels=y)
        model(x=x)
    first, second = block.passes
    assert first.labelled
    assert not second.labelled
    assert first.batch.labels.tolist() == [1, 0, 1]
    assert first.batch.predictions.tolist() == output["logits"].argmax(1).tolist()


def test_padded_tokens_do_not_count():
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(4, 3)
            self.b = nn.Linear(3, 2)

        def forward(self, x: Tensor, attention_mask: Tensor | None = None) -> Tensor:
            return self.b(torch.relu(self.a(x))).mean(1)

    model = make(Tokens)
    x = torch.randn(2, 5, 4)
    mask = torch.tensor([[1, 1, 0, 0, 0], [1, 1, 1, 1, 1]])
    with recording(model, example=x) as (_, block):
        model(x, attention_mask=mask)
    values = block.activations().layers["a"].values
    assert torch.allclose(values[0], hidden(model, x[0, :2]).mean(0), atol=1e-6)
    assert torch.allclose(values[1], hidden(model, x[1]).mean(0), atol=1e-6)


def test_layers_with_other_rows_than_the_inputs_are_skipped_and_named():
    class Regions(Net):
        regions = 1

        def forward(self, x: Tensor) -> Tensor:
            return self.b(self.features(torch.cat([x] * self.regions)))

    model = make(Regions)
    with recording(model) as (recorder, block):
        model.regions = 2
        model(torch.randn(2, 4))
    assert not block.passes
    assert block.counters.dropped_passes == 1
    assert "a has 4" in recorder.cause_of_nothing(block)


def test_an_output_without_classes_gives_unknown_predictions():
    class Silent(Net):
        def forward(self, x: Tensor) -> list[Tensor]:
            return [super().forward(x).sum()]

    model = make(Silent)
    with recording(model) as (_, block):
        model(torch.randn(2, 4))
    assert block.activations().predictions.tolist() == [-1, -1]


def test_an_output_adapter_that_fails_is_said_and_the_values_are_kept():
    def broken(output: object) -> Tensor:
        raise KeyError("scores")

    model = make()
    with recording(model, output=broken) as (recorder, block):
        model(torch.randn(2, 4))
    assert len(block.activations()) == 2
    assert any("KeyError" in line for line in recorder.totals.to_wire()["details"])


def test_an_error_while_measuring_never_reaches_the_user():
    class Texts(Net):
        def forward(self, batch: Tensor | list[str]) -> Tensor:
            return super().forward(torch.ones(len(batch), 4))

    model = make(Texts)
    with recording(model) as (recorder, block):
        assert model(["a", "b"]).shape == (2, 2)
    assert not block.passes
    assert block.counters.dropped_passes == 1
    assert "row dimension" in recorder.cause_of_nothing(block)


def test_calls_of_a_part_are_counted_as_calls():
    model = make()
    with recording(model) as (recorder, block):
        model.features(torch.randn(2, 4))
        model.features(torch.randn(2, 4))
    assert not block.passes
    assert block.counters.partial_model_calls == 2
    assert "layers were called without a call of the model (2 calls" in recorder.cause_of_nothing(
        block
    )


def test_no_tensor_of_the_user_is_kept_alive():
    model = make()
    with recording(model) as (_, block):
        x = torch.randn(2, 4, requires_grad=True)
        output = model(x)
        refs = [weakref.ref(x), weakref.ref(output)]
        del x, output
        gc.collect()
        assert [ref() for ref in refs] == [None, None]
    assert block.counted_passes == 1


def test_values_are_copied_before_the_model_changes_them():
    class InPlace(Net):
        def forward(self, x: Tensor) -> Tensor:
            inner = self.a(x)
            x.zero_()
            return self.b(torch.relu_(inner))

    model = make(InPlace)
    x = torch.randn(2, 4)
    before, digests = hidden(model, x), row_digests(as_call(x))
    with recording(model, tap="pre", example=x.clone()) as (_, block):
        model(x)
    batch = block.activations()
    assert torch.allclose(batch.layers["a"].values.clamp_min(0), before)
    assert batch.layers["a"].values.min() < 0
    assert batch.digests.tolist() == digests.tolist()


def test_nothing_is_left_behind():
    model = make()
    inner = Net()
    inner.load_state_dict(model.state_dict())
    with recording(model) as (recorder, _):
        model(torch.randn(2, 4)), inner(torch.randn(2, 4))
        recorder.attach()
        assert torch_module._global_forward_pre_hooks
    for part in [*model.modules(), *inner.modules()]:
        assert not part._forward_hooks
        assert not part._forward_pre_hooks
        assert not part._forward_hooks_with_kwargs
        assert not part._forward_pre_hooks_with_kwargs
        assert not part._forward_hooks_always_called
    assert not torch_module._global_forward_pre_hooks
    recorder.detach()


def test_watch_takes_equal_weights_and_refuses_others():
    class Renamed(Net):
        pass

    model = make()
    same, other = make(Renamed), make(Renamed, seed=1)
    with recording(model) as (recorder, block):
        with pytest.raises(RecordingError, match="fingerprint"):
            recorder.watch(other)
        with pytest.raises(RecordingError, match="cannot be watched"):
            recorder.watch("model")
        recorder.watch(make(seed=0))
        recorder.watch(model)
        twin = make()
        recorder.watch(twin)
        twin(torch.randn(2, 4))
    assert block.counted_passes == 1
    assert isinstance(same, Renamed)
