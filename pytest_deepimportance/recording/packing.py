"""Tokens of a `PackedSequence`, which lie step by step, put back into rows."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

Packing = tuple[Tensor, Tensor | None, Tensor | None]
"""Batch size of each step, and the order of the rows before and after packing."""

_KEY = "_idc_packing"


def tokens_of(packed: PackedSequence) -> Tensor:
    """Return the tokens of a packed sequence, (sum of lengths, D); how they lie is noted on it."""
    data: Tensor = packed.data
    setattr(data, _KEY, (packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices))
    return data


def with_tokens(packed: PackedSequence, data: Tensor) -> PackedSequence:
    """Return `packed` with other tokens in the same places."""
    return PackedSequence(data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)


def packing_of(tensor: Tensor) -> Packing | None:
    """Return how the tokens of a tensor lie, None where they are not packed."""
    found: Packing | None = getattr(tensor, _KEY, None)
    return found


def packed_as(tensor: Tensor, packing: Packing | None) -> Tensor:
    """Note on `tensor` how its tokens lie; return it."""
    if packing is not None:
        setattr(tensor, _KEY, packing)
    return tensor


def unpacked(tensor: Tensor) -> tuple[Tensor, Tensor] | None:
    """Return packed tokens as rows (N, T, D), and which of them are real (N, T); else None."""
    found = packing_of(tensor)
    if found is None:
        return None
    packed = PackedSequence(tensor.detach(), *found)
    rows, lengths = pad_packed_sequence(packed, batch_first=True)
    real = torch.arange(rows.shape[1]) < lengths[:, None]
    return rows, real.to(rows.device)
