import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import ConcatDataset, Subset, TensorDataset

from pytest_deepimportance.data.sampling import (
    PrivateRandom,
    choose_rows,
    dataset_labels,
    wanted_rows,
)
from tests.data.helpers import Items, X, Y, keywords
from tests.oracles.reference_sampling import quotas


@pytest.mark.parametrize(
    ("value", "from_spec", "rows"),
    [
        ("auto", True, 10_000), ("auto", False, None), ("all", True, None), ("all", False, None),
        (7, True, 7), (7, False, 7),
    ],
)  # fmt: skip
def test_wanted_rows(value, from_spec, rows):
    assert wanted_rows(keywords(reference_samples=value), from_spec) == rows


class TestChoose:
    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.data())
    def test_in_proportion_to_the_classes(self, labels, data):
        wanted = data.draw(st.integers(1, len(labels)))
        rows = choose_rows(len(labels), wanted, np.array(labels), seed=3)
        assert len(set(rows.tolist())) == wanted
        assert rows.tolist() == sorted(rows.tolist())
        chosen = [labels[row] for row in rows]
        assert {c: chosen.count(c) for c in set(labels)} == quotas(labels, wanted)

    @pytest.mark.parametrize("labels", [None, np.arange(1000) % 7])
    def test_seeded(self, labels):
        one, same, other = (choose_rows(1000, 100, labels, seed) for seed in (1, 1, 2))
        assert np.array_equal(one, same)
        assert not np.array_equal(one, other)
        assert one.dtype == np.int64

    def test_the_global_generator_is_not_used(self):
        before = torch.get_rng_state()
        choose_rows(100, 10, None, 0)
        assert torch.equal(before, torch.get_rng_state())

    def test_all_when_fewer(self):
        assert choose_rows(4, 9, None, 0).tolist() == [0, 1, 2, 3]


class TestLabels:
    def test_where_they_are_found(self):
        for dataset in (Items(), TensorDataset(X, Y), Items(y=Y.tolist()), Items(y=Y.numpy())):
            assert dataset_labels(dataset).tolist() == Y.tolist()

    def test_looked_through(self):
        part = Subset(Items(), [4, 0])
        assert dataset_labels(part).tolist() == [1, 0]
        assert dataset_labels(ConcatDataset([part, Items()])).tolist() == [1, 0, *Y.tolist()]

    def test_unknown(self):
        assert dataset_labels(TensorDataset(X)) is None
        assert dataset_labels(TensorDataset(X, torch.rand(20))) is None
        assert dataset_labels(Items(y=[1, 2])) is None
        assert dataset_labels(ConcatDataset([Items(), TensorDataset(X)])) is None


def draw():
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def seed_all():
    random.seed(5)
    np.random.seed(5)
    torch.manual_seed(5)


def test_private_random_states():
    seed_all()
    expected = [draw(), draw()]
    seed_all()
    private = PrivateRandom(1)
    with private.active():
        inside = [draw()]
    outside = [draw()]
    with private.active():
        inside.append(draw())
    outside.append(draw())
    assert outside == expected
    with PrivateRandom(1).active():
        assert [draw(), draw()] == inside


def test_random_states_come_back_after_an_error():
    before = torch.get_rng_state()

    def fail():
        with PrivateRandom(1).active():
            draw()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert torch.equal(before, torch.get_rng_state())
