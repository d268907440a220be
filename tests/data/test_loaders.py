import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    RandomSampler,
    SequentialSampler,
    Subset,
    WeightedRandomSampler,
)

from pytest_deepimportance.data.loaders import (
    class_names_of,
    collated,
    generators_of,
    is_item,
    is_map_style,
    is_ordered,
    is_pair,
    loader_batches,
    loader_rows,
    subset_loader,
    visits_all,
)
from tests.data.helpers import Items, Stream, X, Y, batches_of

ITEMS = Items()


@pytest.mark.parametrize(
    ("keywords", "ordered", "whole", "rows"),
    [
        ({"batch_size": 6}, True, True, 20),
        ({"batch_size": 6, "shuffle": True}, False, True, 20),
        ({"batch_size": 6, "drop_last": True}, True, True, 18),
        ({"sampler": RandomSampler(ITEMS, replacement=True)}, False, False, 20),
        ({"sampler": RandomSampler(ITEMS, num_samples=5)}, False, False, 5),
        ({"sampler": WeightedRandomSampler([1.0] * 20, 8)}, False, False, 8),
        ({"batch_sampler": BatchSampler(SequentialSampler(ITEMS), 4, False)}, True, True, 20),
        ({"batch_sampler": [[0, 1], [5]]}, False, False, None),
    ],
)
def test_what_a_loader_visits(keywords, ordered, whole, rows):
    loader = DataLoader(ITEMS, **keywords)
    assert loader_rows(loader) == rows
    assert (is_ordered(loader), visits_all(loader)) == (ordered, whole)


def test_subset_loader_keeps_batching_and_collation():
    def collate(group):
        return {"x": torch.stack([x for x, _ in group])}

    loader = DataLoader(ITEMS, batch_size=2, shuffle=True, collate_fn=collate)
    parts = list(subset_loader(loader, torch.tensor([3, 5, 9]).numpy()))
    assert [len(part["x"]) for part in parts] == [2, 1]
    assert torch.equal(torch.cat([part["x"] for part in parts]), X[[3, 5, 9]])


def test_pairs_come_as_tuples():
    assert all(type(batch) is tuple for batch in loader_batches(DataLoader(ITEMS, batch_size=6)))
    own = DataLoader(ITEMS, batch_size=6, collate_fn=lambda group: [x for x, _ in group])
    assert all(type(batch) is list for batch in loader_batches(own))


def test_collated():
    parts = list(collated(Stream(), 8))
    assert [len(x) for x, _ in parts] == [8, 8, 4]
    assert torch.equal(torch.cat([y for _, y in parts]), Y)


def test_generators():
    one, two = torch.Generator(), torch.Generator()
    sampler = RandomSampler(ITEMS, generator=one)
    assert generators_of(DataLoader(ITEMS, sampler=sampler, generator=two)) == [two, one]
    assert generators_of(DataLoader(ITEMS, shuffle=True, generator=one)) == [one]
    assert generators_of(DataLoader(ITEMS)) == []


def test_class_names():
    assert class_names_of(Subset(ConcatDataset([ITEMS]), [1])) == ("a", "b", "c")
    named = Items()
    named.classes = [("tench", "Tinca tinca"), "goldfish"]
    assert class_names_of(named) == ("tench", "goldfish")
    assert class_names_of(None) == ()


def test_kinds():
    assert is_map_style(ITEMS)
    assert not any(map(is_map_style, (Items, X, [X], (X,), {"x": X}, Stream(), "text")))
    assert is_item((X[0], 3))
    assert is_item((X[0], torch.tensor(3)))
    assert not any(map(is_item, ((X, Y), X, (X,), [X, 3])))


def test_whole_pairs():
    assert is_pair((X, Y))
    assert is_pair((X,))
    assert is_pair([X, Y])
    assert is_pair(({"x": X}, Y))
    batches = list(batches_of())
    assert not any(map(is_pair, (batches, tuple(batches), [X, X], ({"x": X}, {"x": X}), [], ())))
