import os

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, Subset, TensorDataset

from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.data.fingerprints import content_fingerprint, identify, stable_repr
from tests.data.helpers import Items, X, Y


def content(*batches):
    return content_fingerprint(*map(as_call, batches))


class TestContent:
    def test_equal_content_equal_fingerprint(self):
        wide = torch.cat([X, X], 1)
        assert content((X, Y)) == content((X.numpy(), Y.numpy())) == content((wide[:, :4], Y))
        assert content((X, Y)) == content((X, Y.int()))

    def test_any_change_counts(self):
        changed = X.clone()
        changed[3, 2] += 1e-3
        others = [
            (X, Y), (changed, Y), (X, Y + 1), X, (X.double(), Y), (X.reshape(20, 2, 2), Y),
            ({"x": X}, Y), (X.bfloat16(), Y),
        ]  # fmt: skip
        assert len({content(batch) for batch in others}) == len(others)

    def test_chunks_and_edge_shapes(self, monkeypatch):
        whole = content((X, Y))
        monkeypatch.setattr("pytest_deepimportance.data.fingerprints._CHUNK_BYTES", 40)
        assert content((X, Y)) == whole
        assert content(X[:0]) != content(X[:0].double())


class TestDatasets:
    def test_stable_and_sensitive(self):
        assert identify(Items()) == identify(Items())
        different = [
            Items(), Items(y=Y + 1), Items(x=X + 1), Items(transform=torch.neg),
            Items(transform=lambda item: item), Items(x=X[:19], y=Y[:19]), TensorDataset(X, Y),
            Subset(Items(), range(10)), Subset(Items(), range(10, 20)),
            ConcatDataset([Items(), Items()]),
        ]  # fmt: skip
        assert len({identify(item).fingerprint for item in different}) == len(different)

    def test_an_address_is_no_identity(self):
        class Scale:
            def __call__(self, item):
                return item * 2

        one, two = Items(transform=Scale()), Items(transform=Scale())
        assert identify(one) == identify(two)

    def test_augmentation_is_detected_and_leaves_no_trace(self):
        before = torch.get_rng_state(), np.random.get_state()[1].copy()
        found = identify(Items(noise=True))
        assert found.augmented
        assert not identify(Items()).augmented
        assert identify(Subset(Items(noise=True), [1, 2])).augmented
        assert found == identify(Items(noise=True))
        assert torch.equal(before[0], torch.get_rng_state())
        assert np.array_equal(before[1], np.random.get_state()[1])

    def test_files_count_by_size_and_time(self, tmp_path):
        class Files(Items):
            def __init__(self):
                super().__init__()
                self.samples = [(str(path), 0) for path in sorted(tmp_path.iterdir())]

        (tmp_path / "a").write_text("1")
        os.utime(tmp_path / "a", (1, 1))
        one = identify(Files())
        assert one == identify(Files())
        os.utime(tmp_path / "a", (2, 2))
        assert one != identify(Files())

    def test_a_wrapped_data_set_counts(self):
        class Wrapper(torch.utils.data.Dataset):
            def __init__(self, base):
                self.base = base

            def __len__(self):
                return 3

            def __getitem__(self, index):
                return 0.0

        assert identify(Wrapper(Items())) == identify(Wrapper(Items()))
        assert identify(Wrapper(Items())) != identify(Wrapper(Items(y=Y + 1)))

    def test_items_of_any_kind(self):
        image = pytest.importorskip("PIL.Image")
        items = [({"x": X[i], "text": "a", "n": None, "i": image.new("L", (2, 2), i)}, i)
                 for i in range(3)]  # fmt: skip
        assert identify(items) == identify(items[:1] + items[1:])
        assert identify(items) != identify(items[:2])


def test_stable_repr():
    assert "0x" not in stable_repr(lambda x: x)
    assert "0x" not in stable_repr(object())
    assert stable_repr(as_call) == "pytest_deepimportance.data.batches.as_call"


def test_equal_in_every_process_and_release():
    """Golden values: a change makes every cached profile stale, so it must be on purpose."""
    assert content((X, Y)) == "3f7ce6cd26f70690064551c34d335da7201b5fdb367a131d191644733234e951"
    assert (
        identify(Items()).fingerprint
        == "27e326a47aa069076564cc33a3289e007f3049fb9923e2cbf4b2841c930bc464"
    )
