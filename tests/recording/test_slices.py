from __future__ import annotations

import pytest
import torch

from pytest_deepimportance.data.tags import tags_of
from pytest_deepimportance.errors import RecordingError
from pytest_deepimportance.recording.slices import NO_SLICES, Columns, Slices
from tests.recording.nets import make, recording


def test_inner_slices_decide() -> None:
    outer = Slices.of_all({"weather": "fog", "time": "night"})
    inner = outer.within(Slices.of_each({"weather": ["sun", "rain"]}, 2))
    numbers = inner.of_rows(2)
    assert numbers is not None
    assert [dict(tags_of(int(n))) for n in numbers] == [
        {"time": "night", "weather": "sun"},
        {"time": "night", "weather": "rain"},
    ]
    again = inner.within(Slices.of_all({"weather": "hail"})).of_rows(1)
    assert again is not None
    assert dict(tags_of(int(again[0]))) == {"time": "night", "weather": "hail"}
    assert NO_SLICES.of_rows(5) is None


def test_passes_carry_the_slices_they_began_in() -> None:
    model = make()
    with recording(model) as (recorder, block):
        model(torch.randn(2, 4))
        with recorder.sliced(Slices.of_all({"weather": "fog"})):
            model(torch.randn(3, 4))
        model(torch.randn(1, 4))
    batch = block.activations()
    assert batch is not None
    assert batch.tags is not None
    assert [dict(tags_of(int(n))) for n in batch.tags] == [{}] * 2 + [{"weather": "fog"}] * 3 + [{}]


def test_a_pass_of_other_rows_than_its_slices_is_said() -> None:
    model = make()
    with (
        recording(model) as (recorder, block),
        recorder.sliced(Slices.of_each({"weather": ["fog", "sun"]}, 2)),
    ):
        model(torch.randn(3, 4))
    batch = block.activations()
    assert batch is not None
    assert any("another number of rows" in text for text in recorder.totals.sentences())


def test_without_slices_nothing_is_kept() -> None:
    model = make()
    with recording(model) as (_, block):
        model(torch.randn(2, 4))
    batch = block.activations()
    assert batch is not None
    assert batch.tags is None


def test_columns_are_handed_out_in_order_and_must_be_used_up() -> None:
    columns = Columns({"weather": ["a", "b", "c"]})
    assert columns.next(2).columns == {"weather": ["a", "b"]}
    with pytest.raises(RecordingError, match="3 values, but 2 inputs"):
        columns.check_used_up()
    assert columns.next(1).columns == {"weather": ["c"]}
    columns.check_used_up()
    Columns(None).check_used_up()
