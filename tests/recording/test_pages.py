"""Small passes that are measured together come out as if each had been measured by itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.recording import pages
from pytest_deepimportance.recording.blocks import Block
from tests.recording.nets import make, recorder_of, recording


class Maps(nn.Module):
    """Maps and flat layers, and a part that may be left out."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 5, 3)
        self.act = nn.ReLU()
        self.fc = nn.Linear(5 * 4 * 4, 4)
        self.out = nn.Linear(4, 3)
        self.short = False

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.conv(x))
        if x.mean() < 0:
            raise ValueError("negative")
        if self.short:
            return x.mean((2, 3))[:, :3]
        return self.out(torch.relu(self.fc(x.flatten(1))))


X = torch.randn(40, 2, 6, 6, generator=torch.Generator().manual_seed(1))


def taken(run: Callable[[nn.Module], object], together: bool, **options: object) -> list[Block]:
    """Return what was recorded, each call of the model in a block of its own."""
    model, blocks = make(Maps), []

    def new_block(*_: object) -> None:
        blocks.append(Block(str(len(blocks)), "test"))
        recorder.block = blocks[-1]

    recorder = recorder_of(model, X[:2], **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "PASS_ROWS", pages.PASS_ROWS if together else 0)
        handle = model.register_forward_pre_hook(new_block)
        recorder.attach()
        try:
            run(model)
        finally:
            recorder.detach()
            handle.remove()
    return blocks


def same(own: ActivationBatch, other: ActivationBatch) -> None:
    assert list(own.layers) == list(other.layers)
    for name, layer in own.layers.items():
        for mine, wanted in zip(layer.tensors(), other.layers[name].tensors(), strict=True):
            assert mine.dtype == wanted.dtype
            torch.testing.assert_close(mine, wanted, rtol=0, atol=0, equal_nan=True)
    assert own.digests.tolist() == other.digests.tolist()
    assert own.predictions.tolist() == other.predictions.tolist()
    np.testing.assert_array_equal(own.confidence, other.confidence)


def compare(run: Callable[[nn.Module], object], **options: object) -> list[Block]:
    """Check that both ways agree, and return the blocks of passes that were written down."""
    together, apart = taken(run, True, **options), taken(run, False, **options)
    assert len(together) == len(apart)
    written = [block for block in together if block.written]
    for own, other in zip(together, apart, strict=True):
        assert not other.written
        assert own.counters.counts() == other.counters.counts()
        assert [len(p) for p in own.passes] == [len(p) for p in other.passes]
        for mine, wanted in zip(own.batches(), other.batches(), strict=True):
            same(mine, wanted)
        assert own.non_finite == other.non_finite
    return written


def in_parts(sizes: Sequence[int]) -> Callable[[nn.Module], None]:
    def run(model: nn.Module) -> None:
        start = 0
        for size in sizes:
            with torch.no_grad():
                model(X.repeat(20, 1, 1, 1)[start : start + size])
            start += size

    return run


@settings(deadline=None, max_examples=15)
@given(st.lists(st.integers(1, 40), min_size=2, max_size=20))
def test_passes_of_any_size_come_out_alike(sizes: list[int]) -> None:
    compare(in_parts(sizes))


def test_a_page_is_written_anew_when_it_is_full() -> None:
    assert len(compare(in_parts([1] * 600))) == 600 - 1  # the first shows what to expect


@pytest.mark.parametrize("how", ["mean", "max", "first", "last", "none"])
@pytest.mark.parametrize("tap", ["post", "pre"])
def test_every_reduction(how: str, tap: str) -> None:
    assert compare(in_parts([1, 1, 3, 1]), reduce=how, tap=tap)


def test_what_is_not_like_the_passes_before_is_measured_by_itself() -> None:
    def run(model: nn.Module) -> None:
        with torch.no_grad():
            model(X[:1]), model(X[1:2])
            model.short = True
            model(X[2:3])  # visits one layer only
            model.short = False
            model(X[3:4].to(memory_format=torch.channels_last))
            model(X[:, :, :, ::2].repeat(1, 1, 1, 2)[4:5])
            model(X[5:6].expand(3, -1, -1, -1))
            model(X[6:6])
            model(X[7:8])
        model(X[8:9])
        model(X[9:10].clone().requires_grad_())

    compare(run)


def test_inputs_and_maps_that_are_changed_in_place_later_are_kept_as_they_were() -> None:
    def run(model: nn.Module) -> None:
        for row in X[:4].clone().split(1):
            with torch.no_grad():
                model(row)
            row.zero_()

    assert len(compare(run)) == 3


def test_rows_with_nan_are_left_out_alike() -> None:
    def run(model: nn.Module) -> None:
        for row in X[:4].clone().split(2):
            row[1, 0, 0, 0] = torch.nan
            with torch.no_grad():
                model(row)

    blocks = taken(run, True)
    assert [len(block.batches()[0]) for block in blocks] == [1, 1]
    compare(run)


def test_a_pass_that_raises_leaves_the_others_alone() -> None:
    def run(model: nn.Module) -> None:
        with torch.no_grad():
            for number, row in enumerate(X[:6].split(1)):
                if number % 2:
                    with pytest.raises(RuntimeError):
                        model(row[:, :, :, :2])
                model(row)

    assert len(compare(run)) == 5


def test_attack_steps_do_not_count() -> None:
    def run(model: nn.Module) -> None:
        model(X[:1])
        for row in X[1:4].split(1):
            step = row.clone().requires_grad_()
            model(step).sum().backward()
            model(row)

    written = compare(run)
    assert sum(block.attack_passes for block in written) == 3


def test_threads_do_not_mix() -> None:
    model = make(Maps)
    recorder = recorder_of(model, X[:2])
    block = Block("t", "test")
    recorder.attach()
    recorder.block = block
    with torch.no_grad():
        model(X[:1])

    def work(part: Tensor) -> None:
        with torch.no_grad():
            for row in part.split(1):
                model(row)

    threads = [threading.Thread(target=work, args=(X[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recorder.detach()
    batch = block.activations()
    assert batch is not None
    alone = {int(b.activations().digests[0]): b for b in taken(in_parts([1] * 40), False)}
    for row in range(1, 41):
        wanted = alone[int(batch.digests[row])].activations()
        same(batch.select(np.array([row])), wanted)


def test_a_pass_given_up_in_a_thread_writes_where_nobody_reads() -> None:
    model, inside, go_on = make(Maps), threading.Event(), threading.Event()

    def wait(module: nn.Module, args: tuple[Tensor], output: Tensor) -> None:
        if threading.current_thread() is not threading.main_thread():
            inside.set()
            go_on.wait(10)

    with recording(model, example=X[:2]) as (recorder, _):
        with torch.no_grad():
            model(X[:1]), model(X[1:2])
        model.conv.register_forward_hook(wait)
        thread = threading.Thread(target=lambda: model(X[2:3]))
        thread.start()
        assert inside.wait(10)
        recorder.detach()
        recorder.attach()
        recorder.block = later = Block("later", "test")
        with torch.no_grad():
            model(X[3:4])
        go_on.set()
        thread.join()
        with torch.no_grad():
            model(X[4:5])
    wanted = taken(in_parts([1] * 5), False)
    same(later.passes[0].batch, wanted[3].activations())
    same(later.passes[1].batch, wanted[4].activations())
    assert len(later.passes) == 2


def test_asking_early_does_not_disturb_what_comes() -> None:
    model = make(Maps)
    seen = []
    with recording(model, example=X[:2]) as (_, block):
        for row in X[:8].split(1):
            with torch.no_grad():
                model(row)
            seen.append(block.passes[-1].batch.digests[0])
    batch = block.activations()
    assert batch is not None
    assert batch.digests.tolist() == seen
    assert len(set(seen)) == 8


def test_large_passes_are_measured_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_PASS_BYTES", 4 * X[0].numel())
    assert not any(block.written for block in taken(in_parts([1, 1, 1]), True))


def test_forms_are_kept_for_a_few_kinds_of_inputs_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_FORMS", 0)
    assert not any(block.written for block in taken(in_parts([1, 1, 1]), True))


def recorded(model: nn.Module, parts: Sequence[Tensor]) -> ActivationBatch:
    recorder = recorder_of(model)
    block = recorder.block = Block("test_it", "test")
    recorder.attach()
    with torch.no_grad():
        for part in parts:
            model(part)
    recorder.detach()
    batch = block.activations()
    assert batch is not None
    return batch


class Turned(nn.Linear):
    """Its output lies in memory with the other sign."""

    def forward(self, x: Tensor) -> Tensor:
        turned: Tensor = torch._neg_view(-super().forward(x))
        return turned


def test_values_that_lie_in_memory_with_the_other_sign() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(Turned(4, 6), Turned(6, 3)).eval()
    inputs = torch.randn(5, 4)
    batch = recorded(model, inputs.split(1))
    with torch.no_grad():
        inside, output = model[0](inputs), model(inputs)
    assert inside.is_neg()
    assert output.is_neg()
    torch.testing.assert_close(batch.layers["0"].values, inside.resolve_neg(), rtol=1e-6, atol=1e-6)
    assert batch.predictions.tolist() == output.argmax(dim=1).tolist()


class Sliced(nn.Sequential):
    """Its scores have gaps between them in memory."""

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = super().forward(x)
        return scores[:, ::2]


@pytest.mark.parametrize("first", [1, 2])
def test_scores_that_cannot_be_written_down_are_classes_all_the_same(first: int) -> None:
    torch.manual_seed(0)
    model = Sliced(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 6)).eval()
    inputs = torch.randn(7, 4)
    batch = recorded(model, inputs.split([first, 1, 2, 4 - first]))
    with torch.no_grad():
        assert batch.predictions.tolist() == model(inputs).argmax(dim=1).tolist()
    assert batch.confidence is not None
    assert np.isfinite(batch.confidence).all()
