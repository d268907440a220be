from collections import UserDict

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import pack_sequence
from torch.utils.data import DataLoader, TensorDataset

from pytest_deepimportance.data.batches import as_call, as_labels, describe
from pytest_deepimportance.errors import BatchError

X = torch.arange(24.0).reshape(6, 4)
Y = torch.tensor([0, 1, 2, 0, 1, 2])


class TestForms:
    def test_tensor(self):
        call = as_call(X)
        assert call.rows == 6
        assert call.args[0] is X
        assert call.labels is None

    def test_array_shares_memory(self):
        array = X.numpy()
        assert as_call(array).args[0].data_ptr() == array.__array_interface__["data"][0]

    @pytest.mark.parametrize("meta", [(), ({"id": 1},), (torch.zeros(6), "text")])
    @pytest.mark.parametrize("kind", [tuple, list])
    def test_pair_with_meta(self, kind, meta):
        call = as_call(kind([X, Y, *meta]))
        assert call.args[0] is X
        assert torch.equal(call.labels, Y)
        assert len(call.args) == 1

    def test_what_a_loader_yields(self):
        for batch in DataLoader(TensorDataset(X, Y), batch_size=4):
            assert as_call(batch).labels is not None

    @pytest.mark.parametrize("key", ["labels", "label"])
    @pytest.mark.parametrize("kind", [dict, UserDict])
    def test_mapping_becomes_keywords_without_its_labels(self, kind, key):
        call = as_call(kind({"input_ids": X, "flag": True, key: Y}))
        assert set(call.kwargs) == {"input_ids", "flag"}
        assert call.args == ()
        assert torch.equal(call.labels, Y)

    def test_mapping_and_labels_as_a_pair(self):
        call = as_call(({"a": X.numpy()}, Y))
        assert torch.equal(call.kwargs["a"], X)
        assert torch.equal(call.labels, Y)

    def test_list_of_images_is_one_argument(self):
        images = [torch.rand(3, 8, 9), torch.rand(3, 5, 5)]
        call = as_call(images)
        assert len(call.args) == 1
        assert call.rows == 2
        assert as_call((images, [{"boxes": 1}, {"boxes": 2}])).rows == 2

    def test_list_of_signals_of_different_length_is_one_argument(self):
        assert as_call([torch.rand(7), torch.rand(9), torch.rand(7)]).rows == 3

    @pytest.mark.parametrize("batch", [X[:0], (X[:0], Y[:0]), {"x": X[:0]}, []])
    def test_empty(self, batch):
        call = as_call(batch)
        assert call.rows == 0
        assert list(call.split(3)) == []

    def test_a_call_stays_itself(self):
        call = as_call(X)
        assert as_call(call) is call

    @pytest.mark.parametrize(
        "batch",
        [
            None, 3, "text", object(), {1: X}, {"a": "text"}, (), ("a", "b"), torch.tensor(1.0),
            [(X, Y)], ((X, X), Y), pack_sequence([X]),
        ],
    )  # fmt: skip
    def test_refused_with_the_table(self, batch):
        with pytest.raises(BatchError, match=r"Accepted batches:\n  tensor or array"):
            as_call(batch)

    @pytest.mark.parametrize("label", [3, torch.tensor(3), np.int64(3)])
    def test_one_item_is_not_a_batch(self, label):
        with pytest.raises(BatchError, match="one item, not a batch"):
            as_call((X, label))

    def test_numbers_only(self):
        with pytest.raises(BatchError, match="dtype object"):
            as_call(np.array([{}, {}]))


class TestArrays:
    def test_unusual_layouts(self):
        array = np.arange(6.0).reshape(3, 2)
        assert as_call(array[::-1]).args[0].tolist() == array[::-1].tolist()
        assert as_call(array.astype(">f4")).args[0].tolist() == array.tolist()

    def test_read_only_without_warning(self, recwarn):
        array = np.zeros((2, 2), np.float32)
        array.flags.writeable = False
        as_call(array)
        assert not recwarn.list


class TestLabels:
    @pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
    @pytest.mark.parametrize("shape", [(6,), (6, 1)])
    def test_integers(self, dtype, shape):
        labels = as_labels(Y.to(dtype).reshape(shape), 6)
        assert labels.dtype == torch.int64
        assert torch.equal(labels, Y)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.bool])
    def test_one_hot(self, dtype):
        assert torch.equal(as_labels(torch.nn.functional.one_hot(Y).to(dtype), 6), Y)

    def test_python_integers(self):
        assert torch.equal(as_labels(Y.tolist(), 6), Y)

    @pytest.mark.parametrize(
        "target",
        [
            torch.rand(6), torch.rand(6, 1), torch.rand(6, 3), torch.ones(6, 3),
            torch.zeros(6, 2, 2).long(), ["a"] * 6, None, {"boxes": 1}, [],
            torch.randint(0, 9, (6, 5)),
        ],
    )  # fmt: skip
    def test_other_targets_are_no_labels(self, target):
        assert as_labels(target, 6) is None

    def test_wrong_number(self):
        with pytest.raises(BatchError, match="6 inputs but 5 labels"):
            as_call((X, Y[:5]))


class TestRows:
    def test_split_gives_views_and_keeps_what_is_shared(self):
        call = as_call(({"x": X, "shared": torch.zeros(1, 4), "n": 6, "t": "text"}, Y))
        parts = list(call.split(4))
        assert [part.rows for part in parts] == [4, 2]
        assert parts[1].kwargs["x"].data_ptr() == X[4:].data_ptr()
        assert parts[1].kwargs["shared"].shape == (1, 4)
        assert parts[1].kwargs["n"] == 6
        assert torch.equal(torch.cat([part.labels for part in parts]), Y)

    def test_split_of_images(self):
        images = [torch.rand(3, 4, 4) for _ in range(5)]
        parts = list(as_call(images).split(2))
        assert [len(part.args[0]) for part in parts] == [2, 2, 1]
        assert parts[2].args[0][0] is images[4]

    def test_first_rows(self):
        call = as_call((X, Y))
        assert call.first_rows(2).labels.tolist() == [0, 1]
        assert call.first_rows(99) is call

    def test_select(self):
        images = [torch.rand(3, 4, 4) for _ in range(6)]
        call = as_call(({"x": X, "y": 1}, Y)).select(torch.tensor([5, 0]))
        assert torch.equal(call.kwargs["x"], X[[5, 0]])
        assert call.labels.tolist() == [2, 0]
        assert as_call(images).select(torch.tensor([5, 0])).args[0][0] is images[5]

    def test_to(self):
        call = as_call(([X[:3].reshape(3, 2, 2), X[:1].reshape(1, 2, 2)], Y[:2])).to("meta")
        assert {item.device.type for item in call.args[0]} == {"meta"}
        assert call.labels.device.type == "meta"
        assert call.to(None) is call


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([{}, {}], "a list of 2 dicts"),
        (torch.zeros(2, 3), "a tensor (2, 3) float32"),
        (np.zeros((2, 3)), "an array (2, 3) float64"),
        ({"boxes": 1}, "a dict with keys boxes"),
        ((), "an empty tuple"),
        (None, "None"),
        (3, "an int"),
    ],
)
def test_describe(value, text):
    assert describe(value) == text
