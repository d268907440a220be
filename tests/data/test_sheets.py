from __future__ import annotations

import numpy as np
import pytest
import torch

from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.data.layer_values import LayerValues
from pytest_deepimportance.data.sheets import Sheet, SheetLayers, columns_of, following


def batch(rows: int, dtype: torch.dtype = torch.float32) -> ActivationBatch:
    generator = torch.Generator().manual_seed(rows)
    maps = torch.randn(rows, 3, 5, generator=generator, dtype=dtype)
    layers = {
        "conv": LayerValues(maps.mean(dim=2), maps.amin(dim=(1, 2)), maps.amax(dim=(1, 2))),
        "fc": LayerValues(torch.randn(rows, 4, generator=generator, dtype=dtype)),
    }
    unknown = np.full(rows, -1)
    return ActivationBatch(layers, np.arange(rows, dtype=np.uint64), unknown, unknown)


def same(layers: dict[str, LayerValues], expected: dict[str, LayerValues]) -> None:
    assert list(layers) == list(expected)
    for name, layer in layers.items():
        assert (layer.smallest is None) == (expected[name].smallest is None)
        for own, other in zip(layer.tensors(), expected[name].tensors(), strict=True):
            assert own.dtype == other.dtype
            torch.testing.assert_close(own, other, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_sheet_gives_back_the_very_values(dtype: torch.dtype) -> None:
    one, two = batch(3, dtype), batch(2, dtype)
    sheets = [sheet for b in (one, two) if (sheet := Sheet.of(b.layers)) is not None]
    assert [len(sheet) for sheet in sheets] == [3, 2]
    assert sheets[0].fits(sheets[1])
    same(sheets[0].layers(), one.layers)
    same(Sheet.joined(sheets).layers(), ActivationBatch.concatenate([one, two]).layers)


def test_what_differs_in_kind_is_not_joined() -> None:
    single, double = Sheet.of(batch(2).layers), Sheet.of(batch(2, torch.float64).layers)
    assert single is not None
    assert double is not None
    assert not single.fits(double)
    mixed = batch(2)
    mixed.layers["fc"] = batch(2, torch.float64).layers["fc"]
    assert Sheet.of(mixed.layers) is None


def on_a_sheet(own: ActivationBatch) -> ActivationBatch:
    sheet = Sheet.of(own.layers)
    assert sheet is not None
    return ActivationBatch(SheetLayers(sheet), own.digests, own.predictions, own.labels)


def test_a_batch_on_a_sheet_answers_as_one_layer_by_layer() -> None:
    plain = batch(9)
    sheet = on_a_sheet(plain)
    whole = zip([plain, *plain.chunks(4)], [sheet, *sheet.chunks(4)], strict=True)
    for own, other in whole:
        same(dict(other.layers), dict(own.layers))
        assert own.neuron_bytes == other.neuron_bytes == len(own) * 7 * 4
        for name in own.layers:
            assert own.width(name) == other.width(name)
            np.testing.assert_array_equal(own.view(name), other.view(name))
            index = torch.tensor([2, 0])
            assert torch.equal(own.chosen(name, index), other.chosen(name, index))
            found = own.unreduced(name), other.unreduced(name)
            assert (found[0] is None) == (found[1] is None) == (name == "fc")
            np.testing.assert_array_equal(found[0] or (), found[1] or ())
    assert "conv" in sheet.layers
    assert "other" not in sheet.layers


def test_sheets_that_follow_one_another_are_joined_where_they_are() -> None:
    columns = columns_of(batch(2).layers)
    memory = np.arange(9000, dtype=np.float32)
    parts = [memory[at * 9 : (at + 300) * 9].reshape(300, 9) for at in (0, 300, 600)]
    joined = Sheet.joined([Sheet(columns, part) for part in parts]).values
    assert joined.shape == (900, 9)
    assert joined.base is memory
    np.testing.assert_array_equal(joined.reshape(-1), memory[:8100])
    small = [part[:2] for part in (memory[:36].reshape(4, 9), memory[18:36].reshape(2, 9))]
    few = Sheet.joined([Sheet(columns, part) for part in small]).values
    np.testing.assert_array_equal(few.reshape(-1), memory[:36])
    for apart in (parts[::-1], [parts[0], parts[2]], [parts[0], parts[1].copy()]):
        assert following(apart) is None
        np.testing.assert_array_equal(
            Sheet.joined([Sheet(columns, part) for part in apart]).values, np.concatenate(apart)
        )
    assert following([part[:, :5] for part in parts]) is None
    assert following([np.zeros((2, 3)), np.zeros((2, 3))]) is None


def test_rows_in_the_memory_of_many_others_are_copied_apart() -> None:
    columns = columns_of(batch(2).layers)
    memory = np.zeros(1 << 20, dtype=np.float32)
    assert Sheet(columns, memory[:18].reshape(2, 9)).apart().values.base is None
    own = np.zeros(180, dtype=np.float32)
    assert Sheet(columns, own[:18].reshape(2, 9)).apart().values.base is own


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 3e38])
def test_rows_of_a_sheet_that_are_finite(value: float) -> None:
    sheet = on_a_sheet(batch(5))
    assert sheet.finite().all()
    sheet.layers.sheet.values[3, 6:8] = value  # the sum of 3e38 twice overflows
    assert sheet.finite().tolist() == [True] * 3 + [value == 3e38, True]
