"""Reduction to neurons, against a twin of plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pytest_deepimportance.models.sitemap import Reading, Site
from pytest_deepimportance.recording.neurons import (
    reduce_to_neurons,
    sum_to_neurons,
)
from tests.oracles.reference_neurons import reduce_slowly


def site(units, channel_axis, row_axis=0):
    reading = Reading("module", "fc")
    return Site("fc", (), "Linear", units, channel_axis, reading, reading, row_axis=row_axis)


LAYOUTS = [
    ((3, 5), -1, 0),
    ((3, 5, 4), 1, 0),
    ((3, 4, 5), -1, 0),
    ((3, 5, 2, 4), 1, 0),
    ((3, 2, 4, 5), -1, 0),
    ((3, 5, 2, 2, 3), 1, 0),
    ((4, 3, 5), -1, 1),
    ((5, 3), 0, 1),
    ((5, 4, 3), 0, 2),
]


@pytest.mark.parametrize("how", ["mean", "first", "last", "max"])
@pytest.mark.parametrize(("shape", "channels", "rows"), LAYOUTS)
def test_equal_to_loops(shape, channels, rows, how):
    tensor = torch.randn(shape, dtype=torch.float64)
    found = reduce_to_neurons(tensor, site(5, channels, rows), how)
    values, low, high = reduce_slowly(tensor, rows, channels, how)
    np.testing.assert_allclose(found.values, values, rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(found.raw_min, low)
    np.testing.assert_array_equal(found.raw_max, high)


@pytest.mark.parametrize(("shape", "channels", "rows"), LAYOUTS)
def test_signed_sum_equal_to_loops(shape, channels, rows):
    tensor = torch.randn(shape, dtype=torch.float64)
    found = sum_to_neurons(tensor, site(5, channels, rows))
    np.testing.assert_allclose(found, reduce_slowly(tensor, rows, channels, "sum")[0], rtol=1e-12)


@pytest.mark.parametrize("how", ["mean", "first", "last", "max", "sum"])
@pytest.mark.parametrize(("channels", "rows"), [(-1, 0), (-1, 1), (1, 0)])
def test_padded_tokens_count_nothing(channels, rows, how):
    mask = torch.tensor([[1, 1, 0, 0], [0, 1, 1, 1], [1, 1, 1, 1], [0, 0, 0, 0]]).bool()
    tensor = torch.randn((4, 5, 4) if channels == 1 else (4, 4, 5), dtype=torch.float64)
    where = site(5, channels, rows)
    expected = reduce_slowly(tensor, rows, channels, how, mask.tolist())
    poisoned = tensor.clone()
    view = poisoned.movedim((rows, channels), (0, -1))
    view[:3][~mask[:3]] = float("nan")  # whatever stands in padded places must not matter
    if how == "sum":
        found = sum_to_neurons(poisoned, where, mask)
    else:
        layer = reduce_to_neurons(poisoned, where, how, mask)
        found = layer.values
        np.testing.assert_array_equal(layer.raw_min, expected[1])
        np.testing.assert_array_equal(layer.raw_max, expected[2])
    np.testing.assert_allclose(found, expected[0], rtol=1e-12)


@pytest.mark.parametrize(("rows", "channels"), [(0, 1), (1, 0), (0, 3)])
def test_extremes_of_what_is_never_negative_are_the_same(rows, channels):
    tensor = torch.relu(torch.randn(32, 32, 32, 32))
    for change in (tensor, tensor + 0.5, tensor.clone().fill_(float("nan"))):
        where = site(32, channels, rows)
        quick = reduce_to_neurons(change, where, non_negative=True)
        slow = reduce_to_neurons(change, where)
        np.testing.assert_array_equal(quick.raw_min, slow.raw_min)
        np.testing.assert_array_equal(quick.raw_max, slow.raw_max)


def test_none_keeps_every_element():
    tensor = torch.randn(3, 5, 2, 4)
    found = reduce_to_neurons(tensor, site(5, 1), "none")
    assert torch.equal(found.values, tensor.reshape(3, -1))


def test_nothing_is_shared_with_the_users_memory():
    for shape in ((3, 5), (3, 5, 1), (3, 5, 2, 2)):
        for how in ("mean", "first", "last", "max", "none"):
            tensor = torch.randn(shape)
            found = reduce_to_neurons(tensor, site(5, 1), how)
            before = [t.clone() for t in (found.values, found.raw_min, found.raw_max)]
            tensor.fill_(77.0)
            for old, new in zip(before, (found.values, found.raw_min, found.raw_max), strict=True):
                assert torch.equal(old, new)
    tensor = torch.randn(3, 5)
    found = sum_to_neurons(tensor, site(5, -1))
    tensor.fill_(77.0)
    assert not (found == 77).any()


def test_two_dimensional_output_is_a_plain_copy():
    tensor = torch.randn(4, 5, requires_grad=True)
    found = reduce_to_neurons(tensor * 1, site(5, -1)).values
    assert torch.equal(found, tensor.detach())
    assert not found.requires_grad


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_reduced_in_single(dtype):
    tensor = (1000 + torch.rand(2, 3, 64, 64)).to(dtype)
    found = reduce_to_neurons(tensor, site(3, 1))
    assert found.values.dtype == torch.float32
    assert torch.equal(found.values, tensor.float().mean((2, 3)))


def test_memory_layout_does_not_matter():
    tensor = torch.randn(3, 5, 4, 4, dtype=torch.float64)
    plain = reduce_to_neurons(tensor, site(5, 1))
    for other in (
        tensor.to(memory_format=torch.channels_last),
        tensor.transpose(2, 3).contiguous().transpose(2, 3),
        torch.stack([tensor, tensor], -1)[..., 0],
    ):
        found = reduce_to_neurons(other, site(5, 1))
        # Positions may be added in another order; the mean of 16 may cancel, so the error of its
        # terms (about 1) counts, not its own size.
        torch.testing.assert_close(found.values, plain.values, rtol=1e-14, atol=1e-15)
        assert torch.equal(found.raw_min, plain.raw_min)


def test_not_a_number_and_infinity_stay_visible():
    tensor = torch.zeros(3, 5, 4)
    tensor[0, 0, 0], tensor[1, 2, 3] = float("nan"), float("inf")
    found = reduce_to_neurons(tensor, site(5, 1))
    assert torch.isfinite(found.raw_min + found.raw_max).tolist() == [False, False, True]


def test_the_same_sentence_padded_three_ways_has_the_same_value():
    sentence = torch.randn(1, 4, 5)
    values = []
    for left, right in ((0, 0), (0, 3), (2, 1)):
        padded = torch.randn(1, left + 4 + right, 5) * 100
        padded[:, left : left + 4] = sentence
        mask = torch.zeros(1, left + 4 + right, dtype=torch.bool)
        mask[:, left : left + 4] = True
        layer = reduce_to_neurons(padded, site(5, -1), "mean", mask)
        values.append(torch.cat([layer.values[0], layer.raw_min, layer.raw_max]))
    torch.testing.assert_close(values[0], values[1], rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(values[0], values[2], rtol=1e-6, atol=1e-7)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_nested_tensors_bring_their_own_padding():
    parts = [torch.randn(2, 5), torch.randn(4, 5)]
    found = reduce_to_neurons(torch.nested.nested_tensor(parts), site(5, -1))
    torch.testing.assert_close(found.values, torch.stack([part.mean(0) for part in parts]))
    assert torch.equal(found.raw_min, torch.stack([part.min() for part in parts]))
