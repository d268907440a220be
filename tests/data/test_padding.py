"""Padding: read from a call, and of no consequence to a row."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance.data.batches import ModelCall, as_call
from pytest_deepimportance.data.digests import row_digests
from pytest_deepimportance.data.padding import named_arguments, padding_mask
from tests.oracles.reference_digests import row_digest


def call(**kwargs):
    return ModelCall((), {"input_ids": torch.zeros(2, 4, dtype=torch.int64), **kwargs}, None, 2)


REAL = torch.tensor([[True, True, False, False], [True, True, True, True]])


@pytest.mark.parametrize(
    "kwargs",
    [
        {"attention_mask": REAL.long()},
        {"attention_mask": REAL},
        {"attention_mask": REAL.float()},
        {"attention_mask": torch.where(REAL, 0.0, float("-inf"))},
        {"padding_mask": ~REAL},
        {"src_key_padding_mask": ~REAL},
        {"src_key_padding_mask": torch.where(REAL, 0.0, float("-inf"))},
        {"lengths": torch.tensor([2, 4])},
    ],
)
def test_padding_is_read_from_the_call(kwargs):
    assert torch.equal(padding_mask(call(**kwargs)), REAL)


def test_a_call_without_a_fitting_mask_has_none():
    assert padding_mask(call()) is None
    assert padding_mask(call(attention_mask=torch.ones(2, 1, 4, 4))) is None
    assert padding_mask(call(attention_mask=None)) is None


def test_additive_masks_that_hide_nothing():
    zeros = torch.zeros(2, 4)
    for name in ("attention_mask", "src_key_padding_mask"):
        assert bool(padding_mask(call(**{name: zeros})).all())


ROWS = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=7), min_size=1, max_size=5)


def padded(rows, width, left, pad=0):
    """Rows as a batch of `width` tokens, and which of them are real."""
    ids, real = [], []
    for row in rows:
        rest = width - len(row)
        ids.append([pad] * rest + row if left else row + [pad] * rest)
        real.append([0] * rest + [1] * len(row) if left else [1] * len(row) + [0] * rest)
    return torch.tensor(ids), torch.tensor(real)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.integers(0, 5), st.booleans(), st.integers(0, 9))
def test_a_rows_digest_does_not_depend_on_its_padding(rows, more, left, pad):
    width = max(map(len, rows))
    ids, real = padded(rows, width, left=False)
    plain = row_digests(as_call({"input_ids": ids, "attention_mask": real}))
    ids, real = padded(rows, width + more, left, pad)
    assert np.array_equal(plain, row_digests(as_call({"input_ids": ids, "attention_mask": real})))
    for number, row in enumerate(rows):
        ids, real = padded([row], len(row), left)
        alone = row_digests(as_call({"input_ids": ids, "attention_mask": real}))
        assert alone[0] == plain[number]
    equal = [[a == b for b in rows] for a in rows]
    assert np.array_equal(plain[:, None] == plain[None], np.array(equal))


@pytest.mark.parametrize("mask", ["attention_mask", "src_key_padding_mask"])
def test_the_digest_equals_its_definition(mask):
    rows = [[5, 0], [5], [1, 2, 3]]
    ids, real = padded(rows, 4, left=True, pad=9)
    shown = real if mask == "attention_mask" else ~real.bool()
    types = torch.arange(24).reshape(3, 4, 2).float()
    found = row_digests(as_call({"ids": ids, mask: shown, "types": types}))
    for number, row in enumerate(rows):
        kept = real[number].bool()
        parts = [("tokens", "torch.int64", (), np.int64(len(row)).tobytes())]
        for name, tensor, rest in (("ids", ids, ()), (mask, shown, ()), ("types", types, (2,))):
            data = tensor[number][kept].numpy().tobytes()
            parts.append((name, str(tensor.dtype), ("*", *rest), data))
        assert int(found[number]) == row_digest(parts)


def forward(tokens, padding_mask=None, *rest):
    return tokens


def test_positional_arguments_beside_a_mask_get_their_names():
    ids, real = torch.zeros(2, 4), torch.ones(2, 4)
    assert named_arguments(forward, (ids,), {}) == ((ids,), {})
    args, kwargs = named_arguments(forward, (ids, real), {})
    assert (args, list(kwargs)) == ((), ["tokens", "padding_mask"])
    args, kwargs = named_arguments(forward, (ids,), {"padding_mask": real})
    assert (args, list(kwargs)) == ((), ["tokens", "padding_mask"])
    assert kwargs["tokens"] is ids
    assert named_arguments(forward, (ids, real, ids), {})[0][0] is ids
    assert named_arguments(lambda a, b: a, (ids, real), {})[0] == (ids, real)
    assert named_arguments(forward, (), {"wrong": ids}) == ((), {"wrong": ids})
