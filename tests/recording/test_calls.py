from __future__ import annotations

import pytest
import torch

from pytest_deepimportance.recording.blocks import Block
from pytest_deepimportance.recording.calls import CompiledCall, without_idle
from tests.recording.nets import make, recorder_of


class Taker:
    attached = True

    def __init__(self) -> None:
        self.log: list[object] = []

    def begin(self, args, kwargs, compiled=False):
        self.log.append((args, kwargs, compiled))

    def end(self, output):
        self.log.append(output)

    def take_compiled_mark(self):
        return False


def test_a_call_is_reported_before_and_after():
    taker = Taker()
    assert CompiledCall(taker, lambda x, y: x + y)(1, y=2) == 3
    assert taker.log == [((1,), {"y": 2}, True), 3]


def test_a_call_that_raises_is_reported():
    taker = Taker()
    with pytest.raises(ZeroDivisionError):
        CompiledCall(taker, lambda: 1 // 0)()
    assert taker.log[-1] is None


def test_a_detached_watch_is_passed_by_and_unwrapped():
    taker = Taker()
    inner = CompiledCall(taker, len)
    outer = CompiledCall(taker, inner)
    assert without_idle(outer) is outer
    taker.attached = False
    assert outer("ab") == 2
    assert taker.log == []
    assert without_idle(outer) is len
    assert without_idle(None) is None


def test_two_recorders_of_one_compiled_model_leave_it_as_it_was():
    model = make()
    recorders = [recorder_of(model), recorder_of(model)]
    calls = []
    model._compiled_call_impl = original = lambda *a, **k: calls.append(a) or model._call_impl(*a)
    for _ in range(2):
        blocks = [Block("a", "test"), Block("b", "test")]
        for recorder, block in zip(recorders, blocks, strict=True):
            recorder.attach()
            recorder.block = block
        model(torch.randn(2, 4))
        for recorder in recorders:
            recorder.detach()
        assert [block.counted_passes for block in blocks] == [1, 1]
        assert model._compiled_call_impl is original
    assert len(calls) == 2
