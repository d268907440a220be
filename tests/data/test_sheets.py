from __future__ import annotations

import numpy as np
import pytest
import torch

from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.data.layer_values import LayerValues
from pytest_deepimportance.data.sheets import Sheet


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
