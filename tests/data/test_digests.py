import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance.data import digests
from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.data.digests import row_digests
from tests.oracles.reference_digests import row_digest

DTYPES = [
    torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.uint8, torch.int64,
    torch.bool,
]  # fmt: skip


def data(shape, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(shape, generator=generator) * 50
    return (values > 0) if dtype == torch.bool else values.abs().to(dtype)


def row_bytes(tensor):
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def oracle(tensor, name="0"):
    shape = tuple(tensor.shape[1:])
    return [row_digest([(name, str(tensor.dtype), shape, row_bytes(row))]) for row in tensor]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(5, 3, 5, 5), (4, 1), (3, 2, 4), (6,)])
def test_equals_the_definition(dtype, shape):
    x = data(shape, dtype)
    assert row_digests(as_call(x)).dtype == np.uint64
    assert row_digests(as_call(x)).tolist() == oracle(x)


def test_several_arguments_equal_the_definition():
    call = as_call({"b": data((3, 4)), "a": data((3, 2), torch.int64), "n": 3, "t": "text"})
    rows = [
        row_digest([(k, str(v.dtype), tuple(v.shape[1:]), row_bytes(v[i]))
                    for k, v in call.kwargs.items() if isinstance(v, torch.Tensor)])
        for i in range(3)
    ]  # fmt: skip
    assert row_digests(call).tolist() == rows


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 11), st.sampled_from(DTYPES))
def test_batch_size_and_chunks_do_not_matter(rows, width, size, dtype):
    x = data((rows, width), dtype, seed=rows)
    whole = row_digests(as_call(x))
    parts = np.concatenate([row_digests(part) for part in as_call(x).split(size)])
    assert np.array_equal(whole, parts)


def test_the_sums_on_a_device_equal_those_on_the_cpu():
    x = data((50, 3, 5, 5))
    words = digests._words(x, 3 * 5 * 5 * 4)
    for ours, theirs in zip(digests._sums(x), digests._sums_on_device(words, 38), strict=True):
        assert np.array_equal(ours, theirs)


def test_memory_layout_does_not_matter():
    x = data((6, 3, 4, 4))
    whole = row_digests(as_call(x)).tolist()
    assert row_digests(as_call(x.contiguous(memory_format=torch.channels_last))).tolist() == whole
    wide = data((6, 3, 4, 5))
    assert (
        row_digests(as_call(wide[..., :4])).tolist()
        == row_digests(as_call(wide[..., :4].clone())).tolist()
    )
    flat = data((13,))
    assert row_digests(as_call(flat[1:].reshape(3, 4))).tolist() == oracle(flat[1:].reshape(3, 4))
    one = data((1, 4)).expand(3, 4)
    assert len(set(row_digests(as_call(one)).tolist())) == 1


def test_inference_tensors_and_gradients_are_no_obstacle():
    x = data((4, 4))
    with torch.inference_mode():
        inside = row_digests(as_call(x.clone()))
    assert np.array_equal(inside, row_digests(as_call(x.clone().requires_grad_())))


def test_name_dtype_and_shape_count():
    x = torch.zeros(1, 4)
    calls = [{"a": x}, {"b": x}, {"a": x.long()}, {"a": x.reshape(1, 2, 2)}, {"a": x.int()}]
    assert len({int(row_digests(as_call(call))[0]) for call in calls}) == len(calls)


def test_an_argument_shared_by_all_rows_counts_the_same_in_any_batch():
    x, shared = data((4, 5)), data((1, 3))
    whole = row_digests(as_call({"x": x, "position": shared}))
    one = row_digests(as_call({"x": x[:1], "position": shared}))
    assert whole[0] == one[0]


def test_lists_give_one_digest_an_element():
    images = [data((3, 4, 4)), data((3, 5, 6)), data((3, 4, 4))]
    found = row_digests(as_call(images))
    assert len(found) == 3
    assert found[0] == found[2] != found[1]
    assert np.array_equal(row_digests(as_call(images[1:])), found[1:])


def test_empty():
    assert row_digests(as_call(torch.zeros(0, 3))).shape == (0,)
    assert len(set(row_digests(as_call(torch.zeros(3, 0))).tolist())) == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.int8])
@pytest.mark.parametrize("values", [(-1, 1), (0, 1), (0, 16)])
def test_structured_rows_do_not_collide(dtype, values):
    """Rows that differ only in high bits: signs, and floats with few mantissa bits."""
    rows = torch.tensor(list(itertools.product(values, repeat=13)), dtype=dtype)
    assert len(np.unique(row_digests(as_call(rows)))) == len(rows)


def test_random_rows_do_not_collide():
    rows = torch.rand(50_000, 6)
    assert len(np.unique(row_digests(as_call(rows)))) == len(torch.unique(rows, dim=0))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_device_does_not_matter():
    for dtype in DTYPES:
        x = data((700, 3, 5, 5), dtype)
        assert np.array_equal(row_digests(as_call(x)), row_digests(as_call(x.cuda())))
