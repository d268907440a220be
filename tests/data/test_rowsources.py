import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.data.rowsources import (
    Memory,
    MemorySource,
    OneShotSource,
    StreamSource,
    memory_call,
    reading,
)
from pytest_deepimportance.errors import ReferenceDataError
from tests.data.helpers import X, Y, batches_of


def rows(source, size=7):
    return torch.cat([call.args[0] for call in source.calls(size)])


class TestMemory:
    def test_whole_is_views(self):
        source = MemorySource(Memory(as_call((X, Y))))
        calls = list(source.calls(8))
        assert [call.rows for call in calls] == [8, 8, 4]
        assert calls[1].args[0].data_ptr() == X[8:].data_ptr()
        assert source.rows == 20
        assert not source.cut
        assert source.original(3) == 3

    def test_index_and_picks_compose(self):
        memory = Memory(as_call((X, Y)), np.array([9, 7, 5, 3]))
        source = MemorySource(memory, np.array([1, 3]))
        assert torch.equal(rows(source), X[[7, 3]])
        assert source.original(1) == 3
        assert (source.rows, source.cut) == (2, True)

    def test_prepared_batch_by_batch(self):
        seen = []
        source = MemorySource(Memory(as_call(X), None, lambda call: seen.append(call.rows) or call))
        list(source.calls(15))
        assert seen == [15, 5]


class TestStream:
    def test_splits_large_batches_and_keeps_small_ones(self):
        source = StreamSource(lambda _: batches_of(size=6))
        assert [call.rows for call in source.calls(4)] == [4, 2, 4, 2, 4, 2, 2]
        assert [call.rows for call in source.calls(100)] == [6, 6, 6, 2]

    @pytest.mark.parametrize(("limit", "cut"), [(6, True), (7, True), (20, False), (99, False)])
    def test_limit(self, limit, cut):
        source = StreamSource(lambda _: batches_of(size=6), limit=limit)
        assert torch.equal(rows(source), X[:limit])
        assert source.cut is cut

    def test_a_limit_does_not_exhaust_an_endless_stream(self):
        def endless():
            while True:
                yield X

        assert len(rows(StreamSource(lambda _: endless(), limit=50))) == 50

    def test_originals(self):
        assert StreamSource(lambda _: (), ordered=False).original(0) is None
        assert StreamSource(lambda _: ()).original(4) == 4
        assert StreamSource(lambda _: (), picks=np.array([8])).original(0) == 8


class TestOneShot:
    def test_kept_when_it_fits(self):
        source = OneShotSource(batches_of(), None, 1 << 20)
        assert source.reiterable
        assert torch.equal(rows(source), X)
        assert torch.equal(rows(source), X)
        assert source.rows == 20

    def test_read_through_once_when_it_does_not(self):
        source = OneShotSource(batches_of(), None, 100)
        assert not source.reiterable
        assert torch.equal(next(source.calls(4)).args[0], X[:4]), "a look at the first rows is free"
        assert torch.equal(rows(source), X)
        with pytest.raises(ReferenceDataError, match="returns a fresh generator"):
            rows(source)

    def test_a_buffer_filled_again_and_again(self):
        def reusing():
            buffer = torch.empty(6, 4)
            for x, _ in batches_of(X[:18], Y[:18]):
                yield buffer.copy_(x)

        assert torch.equal(rows(OneShotSource(reusing(), None, 1 << 20)), X[:18])

    @pytest.mark.parametrize("budget", [1 << 20, 100])
    def test_limit(self, budget):
        source = OneShotSource(batches_of(), 9, budget)
        assert torch.equal(rows(source), X[:9])
        assert source.cut


def test_x_and_y_of_different_length():
    with pytest.raises(ReferenceDataError, match=r"\(20, 4\) and y of shape \(19, 3\)"):
        memory_call((X, torch.rand(19, 3)))


class TestErrors:
    def test_the_users_own_line_is_shown(self):
        expected = r"(?s)mine: .*KeyError.*test_rowsources.py"
        with pytest.raises(ReferenceDataError, match=expected), reading("mine"):
            raise KeyError("gone")

    def test_ours_pass_unchanged(self):
        error = ReferenceDataError("this")
        with pytest.raises(ReferenceDataError) as caught, reading("that"):
            raise error
        assert caught.value is error

    def test_rows_of_different_shape(self):
        expected = r"(?s)different shapes.*idc_transform"
        with pytest.raises(ReferenceDataError, match=expected), reading("mine"):
            default_collate([X[0], X[0, :2]])

    def test_items_that_are_no_tensors(self):
        with pytest.raises(ReferenceDataError, match="ToTensor"), reading("mine"):
            default_collate([object()])
