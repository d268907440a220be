"""Passes that are reduced straight into strips come out as if measured layer by layer."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.data.sheets import SheetLayers
from pytest_deepimportance.engine.kept import to_be_kept
from pytest_deepimportance.recording import slab, strips
from pytest_deepimportance.recording.blocks import Block
from pytest_deepimportance.recording.strips import Strips
from tests.recording.nets import make, recorder_of

Run = Callable[[nn.Module], object]


class Mixed(nn.Module):
    """Maps, a flat layer, tokens and a flat layer; a part may be left out, or raise."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 5, 3)
        self.act = nn.ReLU()
        self.fc = nn.Linear(5, 6)
        self.tokens = nn.Conv1d(1, 4, 2)
        self.last = nn.Linear(4, 3)
        self.out = nn.Linear(3, 3)
        self.short = False

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.conv(x)).mean((2, 3))
        if len(x) == 77:
            raise ValueError("77 rows")
        x = torch.sigmoid(self.fc(x))
        if not self.short:
            x = torch.tanh(self.tokens(x.unsqueeze(1)))
        x = torch.relu(self.last(x.mean(2) if x.dim() == 3 else x[:, :4]))
        return self.out(x)


X = torch.randn(300, 2, 6, 6, generator=torch.Generator().manual_seed(1))


def block_of(run: Run, strips_used: bool = True, **options: object) -> Block:
    model, block = make(Mixed), Block("test", "test")
    recorder = recorder_of(model, X[:2], **options)
    with pytest.MonkeyPatch.context() as patch:
        if not strips_used:
            patch.setattr(strips, "LARGEST_STRIP", -1)
        recorder.block = block
        recorder.attach()
        try:
            run(model)
        finally:
            recorder.detach()
    return block


def compare(run: Run, **options: object) -> Block:
    """Check that both ways agree, bit by bit; return the block whose passes had strips."""
    own, other = block_of(run, **options), block_of(run, False, **options)
    assert own.counters.counts() == other.counters.counts()
    assert own.non_finite == other.non_finite
    assert len(own.batches()) == len(other.batches())
    for mine, wanted in zip(own.batches(), other.batches(), strict=True):
        assert not isinstance(wanted.layers, SheetLayers)
        same(mine, wanted)
    return own


def same(own: ActivationBatch, other: ActivationBatch) -> None:
    assert list(own.layers) == list(other.layers)
    for name, layer in own.layers.items():
        assert (layer.smallest is None) == (other.layers[name].smallest is None)
        for mine, wanted in zip(layer.tensors(), other.layers[name].tensors(), strict=True):
            assert mine.dtype == wanted.dtype
            torch.testing.assert_close(mine, wanted, rtol=0, atol=0, equal_nan=True)
    assert own.digests.tolist() == other.digests.tolist()
    assert own.predictions.tolist() == other.predictions.tolist()


def parts(*sizes: int) -> Run:
    def run(model: nn.Module) -> None:
        with torch.inference_mode():
            for part in X.repeat(3, 1, 1, 1)[: sum(sizes)].split(sizes):
                model(part)

    return run


def slabs_own(block: Block) -> bool:
    """Whether the rows of the block lie where they were recorded."""
    (batch,) = block.batches()
    memory = batch.layers.sheet.values.base if isinstance(batch.layers, SheetLayers) else None
    return isinstance(memory, np.ndarray) and memory.nbytes == slab._SIZE


def test_passes_that_follow_one_another_are_one_sheet_without_a_copy() -> None:
    block = compare(parts(64, 64, 64, 37))
    assert slabs_own(block)
    assert len(block.batches()[0]) == 229


@settings(deadline=None, max_examples=15)
@given(st.lists(st.integers(1, 80), min_size=2, max_size=8))
def test_passes_of_any_size(sizes: list[int]) -> None:
    compare(parts(*[size for size in sizes if size != 77]))


@pytest.mark.parametrize("how", ["mean", "max", "first", "last", "none"])
@pytest.mark.parametrize("tap", ["post", "pre"])
def test_every_reduction(how: str, tap: str) -> None:
    compare(parts(64, 64, 50), reduce=how, tap=tap)


def test_what_is_not_like_the_passes_before() -> None:
    def run(model: nn.Module) -> None:
        with torch.no_grad():
            model(X[:50]), model(X[50:100])
            model.short = True
            model(X[:60]), model(X[60:120])  # without a layer
            model.short = False
            model(X[:70].to(memory_format=torch.channels_last))
            model(X[:70].transpose(2, 3))
            model(torch.randn(40, 2, 9, 4, generator=torch.Generator().manual_seed(2)))
            model(X[100:150])
        with torch.inference_mode():
            model(X[150:200])
        model(X[200:250])
        model.double()(X[:40].double())

    compare(run)


def test_a_pass_that_raised_leaves_nothing_behind() -> None:
    def run(model: nn.Module) -> None:
        for size in (50, 77, 50, 77, 40):
            try:
                model(X[:size])
            except ValueError:
                assert size == 77

    block = compare(run)
    assert block.counters.counts()["raised_passes"] == 2
    assert len(block.batches()[0]) == 140


def test_gradients_flow_as_before_and_attack_steps_do_not_count() -> None:
    def run(model: nn.Module) -> None:
        model(X[:40]), model(X[40:80])
        given = X[80:120].clone().requires_grad_()
        model(given).sum().backward()
        assert given.grad is not None
        model(X[120:160]).sum().backward()

    assert len(compare(run).batches()[0]) == 120


def test_rows_that_are_not_finite_are_left_out() -> None:
    bad = X[:100].clone()
    bad[3, 0, 0, 0], bad[7] = float("nan"), float("inf")

    def run(model: nn.Module) -> None:
        with torch.no_grad():
            model(X[:50]), model(bad), model(X[50:90])

    assert sum(compare(run).non_finite.values()) == 2


def test_passes_of_several_threads_do_not_share_a_strip() -> None:
    def run(model: nn.Module) -> None:
        def work() -> None:
            with torch.inference_mode():
                for part in X.split(50):
                    model(part)

        work()
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    (own,) = block_of(run).batches()
    (wanted,) = block_of(lambda model: [model(part) for part in X.split(50)], False).batches()
    first = {int(d): row for row, d in enumerate(wanted.digests)}
    same(own, wanted.select(np.array([first[int(d)] for d in own.digests])))


def test_a_few_rows_that_are_kept_do_not_hold_the_slab() -> None:
    block = block_of(parts(20))
    (kept,) = to_be_kept(block.batches())
    assert len(kept) == 20
    assert kept.values.base is None


def test_a_pass_larger_than_a_strip_is_measured_layer_by_layer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted = block_of(parts(64, 64, 64), False)
    monkeypatch.setattr(strips, "LARGEST_STRIP", 64 * 4 * 10)
    same(block_of(parts(64, 64, 64)).batches()[0], wanted.batches()[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(7, 3, 4), (40, 6, 24, 24), (33, 5, 1, 9), (2, 3, 4, 5, 6)])
@pytest.mark.parametrize("channels", [1, -1])
def test_a_sum_into_a_strip_divided_by_the_positions_is_torchs_mean(
    dtype: torch.dtype, shape: tuple[int, ...], channels: int
) -> None:
    tensor = torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(3))
    axes = [a for a in range(1, len(shape)) if a != channels % len(shape)]
    count = tensor.numel() // (shape[0] * shape[channels])
    memory = torch.zeros(shape[0], shape[channels] + 9, dtype=dtype)
    torch.sum(tensor, axes, out=memory[:, 3 : 3 + shape[channels]])
    found = memory.numpy()[:, 3 : 3 + shape[channels]]
    found /= np.array(count, dtype=found.dtype)
    assert torch.equal(torch.from_numpy(found), tensor.mean(axes))


def test_no_strip_before_a_pass_was_seen() -> None:
    assert Strips("mean", "post").open(64) is None


def test_a_forward_that_leaves_inference_mode_between_two_layers() -> None:
    def run(model: nn.Module) -> None:
        model.fc.register_forward_pre_hook(lambda *_: modes[-1].__exit__(None, None, None))
        with torch.no_grad():
            for part in X.split(100):
                modes.append(torch.inference_mode())
                modes[-1].__enter__()
                handle = model.act.register_forward_hook(lambda _, __, out: out.clone())
                model(part)
                handle.remove()

    modes: list[torch.inference_mode] = []
    block = compare(run)
    assert block.counted_passes == 3
