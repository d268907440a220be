import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    SequentialSampler,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
)

from pytest_deepimportance.data.reference import Reference, open_reference
from pytest_deepimportance.errors import ReferenceDataError
from tests.data.helpers import Items, Stream, X, Y, batches_of, keywords, read

HERE = "tests.data.test_reference"


def loader(dataset=None, **values):
    return DataLoader(Items() if dataset is None else dataset, **{"batch_size": 6, **values})


def generating():
    yield from batches_of()


class Batches:
    """An iterable that can be read again and has no length."""

    def __iter__(self):
        return batches_of()


FORMS = {
    "tensors": lambda: (X, Y),
    "arrays": lambda: (X.numpy(), Y.numpy()),
    "listed pair": lambda: [X, Y],
    "mapping": lambda: {"x": X, "labels": Y},
    "tensor data set": lambda: TensorDataset(X, Y),
    "subset of it": lambda: Subset(TensorDataset(X, Y), range(20)),
    "data set": Items,
    "parts": lambda: ConcatDataset([Items(X[:9], Y[:9]), Items(X[9:], Y[9:])]),
    "items in a list": lambda: [(x, int(y)) for x, y in zip(X, Y, strict=True)],
    "stream": Stream,
    "loader": loader,
    "loader of tensors": lambda: loader(TensorDataset(X, Y)),
    "loader of a stream": lambda: loader(Stream()),
    "loader without batches": lambda: DataLoader(list(batches_of()), batch_size=None),
    "own batch sampler": lambda: DataLoader(
        Items(), batch_sampler=BatchSampler(SequentialSampler(X), 6, False)
    ),
    "list of batches": lambda: list(batches_of()),
    "tuple of batches": lambda: tuple(batches_of()),
    "iterable": Batches,
    "generator": batches_of,
    "loader iterator": lambda: iter(loader()),
    "function": lambda: Items,
    "function of a loader": lambda: loader,
    "generator function": lambda: generating,
    "class": lambda: Stream,
}


@pytest.fixture(params=FORMS)
def form(request):
    return FORMS[request.param]()


class TestForms:
    @pytest.mark.parametrize("size", [4, 100])
    def test_every_form_gives_the_same_rows_twice(self, form, size):
        reference = open_reference(form, keywords())
        for _ in range(2):
            x, y, sizes = read(reference, size)
            assert torch.equal(x, X)
            assert torch.equal(y, Y)
            assert max(sizes) <= size
        assert reference.reiterable
        assert reference.labelled
        assert reference.rows == 20
        assert not reference.sampled
        assert not reference.augmented
        assert reference.index_of_row(7) == 7
        assert "0x" not in reference.descriptor

    def test_a_look_at_the_first_batch_costs_nothing(self, form):
        reference = open_reference(form, keywords())
        for call in reference.batches(4):
            assert call.rows == 4
            break
        assert len(read(reference)[0]) == 20

    def test_batches_of_arrays_are_views(self):
        reference = open_reference((X, Y), keywords())
        starts = [call.args[0].data_ptr() for call in reference.batches(5)]
        assert starts == [X[i:].data_ptr() for i in range(0, 20, 5)]

    def test_the_users_batching_is_respected(self):
        assert read(open_reference(loader(), keywords()), 100)[2] == [6, 6, 6, 2]
        assert read(open_reference(loader(), keywords()), 4)[2] == [4, 2, 4, 2, 4, 2, 2]

    def test_without_labels(self):
        for source in (X, X.numpy(), (X,), TensorDataset(X), loader(TensorDataset(X)), [X, X]):
            reference = open_reference(source, keywords())
            assert read(reference)[1] is None
            assert reference.labelled is False

    def test_a_reference_stays_itself(self):
        reference = open_reference(X, keywords())
        assert open_reference(reference, keywords()) is reference

    def test_class_names(self):
        assert open_reference(loader(), keywords()).class_names == ("a", "b", "c")
        given = open_reference(loader(), keywords(class_names="x,y,z"))
        assert given.class_names == ("x", "y", "z")

    def test_descriptors(self):
        def name(source):
            return open_reference(source, keywords()).descriptor

        assert name((X, Y)) == "tensor (20, 4) float32 with labels"
        assert name(Items()) == name(loader()) == "Items, 20 rows"
        assert name(Batches()) == "Batches of batches"
        assert name(generating) == f"{HERE}.generating()"


class TestLoaders:
    def test_shuffled_gives_the_same_rows_and_order_at_every_reading(self):
        reference = open_reference(loader(shuffle=True), keywords())
        one, two = read(reference), read(reference)
        assert torch.equal(one[0], two[0])
        assert not torch.equal(one[0], X)
        assert torch.equal(one[0][one[0][:, 0].argsort()], X)
        assert reference.index_of_row(0) is None

    def test_shuffled_by_a_generator_of_the_user(self):
        generator = torch.Generator().manual_seed(4)
        before = generator.get_state()
        reference = open_reference(loader(shuffle=True, generator=generator), keywords())
        one, two = read(reference), read(reference)
        assert torch.equal(one[0], two[0])
        assert torch.equal(before, generator.get_state())

    def test_shuffled_tensors_are_read_in_order(self):
        reference = open_reference(loader(TensorDataset(X, Y), shuffle=True), keywords())
        assert torch.equal(read(reference)[0], X)
        assert reference.index_of_row(3) == 3

    def test_dropped_rows_stay_dropped(self):
        for dataset in (Items(), TensorDataset(X, Y)):
            reference = open_reference(loader(dataset, drop_last=True), keywords())
            assert reference.rows == len(read(reference)[0]) == 18

    def test_weighted(self):
        weights = [0.0] * 10 + [1.0] * 10
        source = loader(sampler=WeightedRandomSampler(weights, 12))
        reference = open_reference(source, keywords())
        x = read(reference)[0]
        assert len(x) == 12
        assert x.min() >= X[10:].min()
        assert reference.index_of_row(0) is None
        assert reference.available == 20

    def test_own_collation(self):
        def collate(group):
            return {"x": torch.stack([x for x, _ in group]), "labels": [y for _, y in group]}

        x, y, _ = read(open_reference(loader(collate_fn=collate), keywords()))
        assert torch.equal(x, X)
        assert torch.equal(y, Y)

    def test_workers(self):
        reference = open_reference(
            loader(num_workers=1, shuffle=True), keywords(reference_samples=8)
        )
        assert len(read(reference)[0]) == 8


class TestRandomStates:
    @pytest.mark.parametrize(
        "source",
        [
            loader(shuffle=True), Items(noise=True), loader(Items(noise=True)),
            lambda: (torch.rand(20, 4) + random.random(), Y),
        ],
        ids=["shuffled", "augmented", "augmented loader", "drawn by a function"],
    )  # fmt: skip
    def test_kept_and_reproducible(self, source):
        def states():
            return (
                torch.get_rng_state().tolist(),
                np.random.get_state()[1].tolist(),
                random.getstate(),
            )

        before = states()
        reference = open_reference(source, keywords())
        for _ in reference.batches(4):
            assert states() == before
        assert states() == before
        assert torch.equal(read(reference)[0], read(open_reference(source, keywords()))[0])
        assert states() == before

    def test_augmented_is_said(self):
        reference = open_reference(loader(Items(noise=True)), keywords())
        assert reference.augmented
        assert reference.notes == ["reference is augmented: the profile is one draw"]
        assert torch.equal(read(reference)[0], read(reference)[0])


class TestSampling:
    @pytest.mark.parametrize(
        "source",
        [(X, Y), TensorDataset(X, Y), Items(), loader(), loader(shuffle=True),
         loader(TensorDataset(X, Y), shuffle=True), loader(shuffle=True, drop_last=True),
         Subset(TensorDataset(X, Y), range(20))],
    )  # fmt: skip
    def test_in_proportion_and_named(self, source):
        settings = keywords(reference_samples=10)
        reference = open_reference(source, settings)
        x, y, _ = read(reference)
        assert torch.bincount(y).tolist() == [4, 3, 3]
        assert torch.equal(x, X[[reference.index_of_row(i) for i in range(10)]])
        assert torch.equal(x, read(open_reference(source, settings), 3)[0])
        other = open_reference(source, keywords(reference_samples=10, seed=1))
        assert not torch.equal(x, read(other)[0])
        assert (reference.rows, reference.available, reference.sampled) == (10, 20, True)
        assert reference.notes == [
            "10 of 20 reference rows are used, drawn in proportion to the classes (seed 0); "
            "idc_reference_samples = all uses every row"
        ]

    def test_without_labels(self):
        reference = open_reference(X, keywords(reference_samples=10))
        assert len(read(reference)[0]) == 10
        assert "drawn at random (seed 0)" in reference.notes[0]

    @pytest.mark.parametrize("name", ["stream", "iterable", "generator", "list of batches"])
    def test_iterables_give_their_first_rows(self, name):
        reference = open_reference(FORMS[name](), keywords(reference_samples=7))
        assert torch.equal(read(reference)[0], X[:7])
        assert torch.equal(read(reference)[0], X[:7])
        assert reference.sampled
        assert any("first" in note for note in reference.notes)

    def test_the_seed_of_a_shuffled_sampler(self):
        source = loader(sampler=WeightedRandomSampler([1.0] * 20, 12))
        reference = open_reference(source, keywords(reference_samples=7))
        assert torch.equal(read(reference)[0], read(reference)[0])
        assert reference.rows == 7

    def test_more_asked_than_there_are(self):
        reference = open_reference((X, Y), keywords(reference_samples=100))
        assert (reference.rows, reference.sampled, reference.notes) == (20, False, [])

    def test_the_limit_is_for_specifications_only(self):
        big = torch.zeros(10_001, 1)
        assert open_reference(big, keywords()).rows == 10_001
        assert open_reference(big, keywords(), from_spec=True).rows == 10_000
        whole = open_reference(big, keywords(reference_samples="all"), from_spec=True)
        assert whole.rows == 10_001
        endless = open_reference(
            lambda: (torch.zeros(999, 1) for _ in iter(int, 1)), keywords(), from_spec=True
        )
        assert sum(call.rows for call in endless.batches(256)) == 10_000

    def test_the_default_device_does_not_matter(self):
        expected = open_reference(Items(), keywords(reference_samples=10))
        with torch.device("meta"):
            found = open_reference(Items(), keywords(reference_samples=10))
        assert torch.equal(read(found)[0], read(expected)[0])


class TestFingerprints:
    def test_content(self):
        same = [(X, Y), (X.numpy(), Y.numpy()), TensorDataset(X, Y), loader(TensorDataset(X, Y)),
                loader(TensorDataset(X, Y), shuffle=True)]  # fmt: skip
        assert len({open_reference(item, keywords()).fingerprint for item in same}) == 1
        assert open_reference((X + 1, Y), keywords()).fingerprint is not None

    def test_sampling_and_samplers_do_not_enter(self):
        same = [
            open_reference(Items(), keywords()),
            open_reference(loader(), keywords(reference_samples=4)),
            open_reference(loader(shuffle=True), keywords(seed=9)),
            open_reference(Items(), keywords(), from_spec=True),
        ]
        assert len({item.fingerprint for item in same}) == 1

    def test_own_collation_enters(self):
        own = open_reference(loader(collate_fn=lambda group: torch.stack([x for x, _ in group])),
                             keywords())  # fmt: skip
        assert own.fingerprint != open_reference(loader(), keywords()).fingerprint

    @pytest.mark.parametrize(
        "make", [Stream, Batches, lambda: generating, lambda: loader(Stream())]
    )
    def test_iterables_need_an_id(self, make):
        assert open_reference(make(), keywords()).fingerprint is None
        one, same, other = (
            open_reference(make(), keywords(reference_id=name)).fingerprint for name in "aab"
        )
        assert one == same != other
        assert one is not None


class TestErrors:
    @pytest.mark.parametrize(
        "source",
        [X[:0], (X[:0], Y[:0]), Items(X[:0], Y[:0]), [], (), list, loader(Items(X[:0], Y[:0])),
         iter(())],
    )  # fmt: skip
    def test_empty_at_once(self, source):
        with pytest.raises(ReferenceDataError, match=r"(?s)reference is empty.*idc_reference"):
            open_reference(source, keywords())

    @pytest.mark.parametrize("source", [Stream(X[:0], Y[:0]), lambda: iter(())])
    def test_empty_when_read(self, source):
        reference = open_reference(source, keywords())
        with pytest.raises(ReferenceDataError, match="reference is empty"):
            list(reference.batches(4))

    @pytest.mark.parametrize("source", ["data.npz", None, nn.Linear(1, 1), 3, b"x", object()])
    def test_no_reference(self, source):
        with pytest.raises(ReferenceDataError, match=r"(?s)is no reference data.*a torch Dataset"):
            open_reference(source, keywords())

    def test_text_is_a_specification(self):
        with pytest.raises(ReferenceDataError, match="goes into idc_reference"):
            open_reference("data.npz", keywords())

    @pytest.mark.parametrize("short", [Y[:19], torch.rand(19, 3)])
    def test_different_length(self, short):
        with pytest.raises(ReferenceDataError, match=r"x of shape \(20, 4\) and y of shape \(19"):
            open_reference((X, short), keywords())

    def test_objects(self):
        ragged = np.array([np.zeros(2), np.zeros(3)], dtype=object)
        with pytest.raises(ReferenceDataError, match="dtype object"):
            open_reference((ragged, Y[:2]), keywords())

    def test_rows_of_different_shape(self):
        rows = [(X[0], 0), (X[0, :3], 1)]
        for source in (rows, loader(rows)):
            reference = open_reference(source, keywords())
            with pytest.raises(ReferenceDataError, match=r"(?s)different shapes.*collate_fn"):
                list(reference.batches(4))

    def test_items_that_are_no_tensors(self):
        image = pytest.importorskip("PIL.Image")
        source = Items(transform=lambda item: image.new("L", (2, 2)))
        with pytest.raises(ReferenceDataError, match="ToTensor"):
            list(open_reference(source, keywords()).batches(4))

    def test_a_batch_that_is_not_understood(self):
        reference = open_reference(lambda: iter([("a", "b")]), keywords())
        with pytest.raises(ReferenceDataError, match="Accepted batches"):
            list(reference.batches(4))

    def test_callable_that_returns_nothing(self):
        def forgotten():
            return None

        with pytest.raises(ReferenceDataError, match=r"(?s)forgotten returned None.*return state"):
            open_reference(forgotten, keywords())

    def test_callable_that_raises(self):
        def failing():
            return {}["train"]

        with pytest.raises(ReferenceDataError, match=r"(?s)failing: .*KeyError: 'train'.*test_ref"):
            open_reference(failing, keywords())

    def test_a_data_set_that_raises(self):
        source = Items(transform=lambda item: 1 / 0)
        with pytest.raises(ReferenceDataError, match=r"Items, 20 rows: reading it raised ZeroDiv"):
            open_reference(source, keywords())

    def test_an_iterator_too_large_to_keep(self):
        reference = open_reference(batches_of(), keywords(memory=400))
        assert not reference.reiterable
        assert reference.fingerprint is None
        assert len(read(reference)[0]) == 20
        with pytest.raises(ReferenceDataError, match="fresh generator"):
            list(reference.batches(4))


def test_is_exported():
    assert isinstance(open_reference(X, keywords()), Reference)
