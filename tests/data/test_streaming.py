import pytest
import torch

from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.data.fingerprints import Identity
from pytest_deepimportance.data.rowsources import Memory, MemorySource, StreamSource
from pytest_deepimportance.data.streaming import Reference
from pytest_deepimportance.errors import ReferenceDataError
from tests.data.helpers import X, Y, batches_of


def test_what_is_unknown_before_reading_is_known_after_it():
    reference = Reference(StreamSource(lambda _: batches_of()), "stream", None)
    assert (reference.rows, reference.labelled, reference.fingerprint) == (None, None, None)
    list(reference.batches(8))
    assert (reference.rows, reference.labelled) == (20, True)


def test_identity():
    source = MemorySource(Memory(as_call((X, Y))))
    plain = Reference(source, "x", Identity("ab"))
    augmented = Reference(source, "x", Identity("ab", augmented=True))
    assert (plain.fingerprint, plain.augmented, plain.notes) == ("ab", False, [])
    assert (augmented.augmented, len(augmented.notes)) == (True, 1)


def test_an_abandoned_reading_gives_generators_their_state_back():
    generator = torch.Generator().manual_seed(1)
    before = generator.get_state()

    def drawing(_size):
        for batch in batches_of():
            torch.rand(3, generator=generator)
            yield batch

    reference = Reference(StreamSource(drawing), "x", None).drawing_from([generator])
    reading = reference.batches(4)
    next(reading)
    reading.close()
    assert torch.equal(before, generator.get_state())


def test_two_readings_at_once_do_not_disturb_each_other():
    def drawing(_size):
        for _ in range(3):
            yield torch.rand(2, 2)

    reference = Reference(StreamSource(drawing), "x", None)
    alone = [call.args[0] for call in reference.batches(4)]
    torch.manual_seed(7)
    expected = torch.rand(())
    torch.manual_seed(7)
    pairs = zip(reference.batches(4), reference.batches(4), strict=True)
    for i, (one, two) in enumerate(pairs):
        assert torch.equal(one.args[0], alone[i])
        assert torch.equal(two.args[0], alone[i])
    assert torch.rand(()) == expected


def test_empty():
    with pytest.raises(ReferenceDataError, match=r"reference is empty: nothing here"):
        list(Reference(StreamSource(lambda _: ()), "nothing here", None).batches(4))
