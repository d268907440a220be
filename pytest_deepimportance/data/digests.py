"""A 64-bit content hash of each input row: distinct inputs are counted by it (DESIGN D9).

The definition, in wrap-around 64-bit integers. A row's bytes (row-major, padded with zeros) are
read as 8-byte words twice: x_i little-endian, y_i big-endian. With pseudo-random odd weights

    h = sum_i u_i * x_i,   k = sum_i v_i * y_i

A difference whose lowest bit is bit a of a word is lost in such a sum with probability
2**(a - 63): a plain sum forgets high bits (the sign bits of floats). The highest byte of x_i is the
lowest of y_i, so two rows that differ anywhere agree in both sums with probability 2**-56 at most.
The sums are joined with constants made from name, dtype and row shape

    d = g((g((h + offset) * factor) + k) * factor),   g(z) = z + (z >> 32)   (arithmetic shift)

and several arguments by addition.

Where a call says which tokens are real (`data.padding`), tensors (N, T, ...) count without the
others: real tokens in order, the row's shape written as ("*", ...), and the number of real tokens
as one more argument "tokens" (int64, shape ()). So a text has one digest, however it is padded.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pytest_deepimportance.data.batches import ModelCall, is_row_list
from pytest_deepimportance.data.padding import padding_mask, without_padding

_SEED = 0x9E3779B97F4A7C15
_TOKENS = "tokens"
_SECOND = 1 << 40
"""Position from which the second sequence of weights starts."""


def row_digests(call: ModelCall) -> NDArray[np.uint64]:
    """Return the content hash of each row, (N,) uint64.

    Equal rows give equal digests at any batch size, on any device, in any memory layout. All
    tensor arguments count whose first dimension is N, or 1 (shared by the rows), and lists of N
    tensors; scalars, text and labels do not.
    """
    total = np.zeros(call.rows, dtype=np.int64)
    real = padding_mask(call)
    if real is not None:
        total = _tensor_digests(_TOKENS, real.sum(1), ())
    for name, value in _arguments(call):
        if isinstance(value, Tensor) and real is not None and value.shape[:2] == real.shape:
            shape = ("*", *value.shape[2:])
            part = _tensor_digests(name, without_padding(value, real), shape)
        elif isinstance(value, Tensor):
            part = _tensor_digests(name, value, tuple(value.shape[1:]))
        else:
            parts = [_tensor_digests(name, item[None], tuple(item.shape)) for item in value]
            part = np.concatenate(parts) if parts else total[:0]
        total = total + part  # sums of arrays wrap around without a warning
    return total.view(np.uint64)


def among(digests: NDArray[np.uint64], known: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return whether each digest is one of `known`, which are in ascending order, (N,)."""
    if not len(known):
        return np.zeros(len(digests), dtype=bool)
    places = np.searchsorted(known, digests)
    return np.asarray(known[np.minimum(places, len(known) - 1)] == digests)


def _arguments(call: ModelCall) -> Iterator[tuple[str, Tensor | list[Tensor]]]:
    named = [(str(i), value) for i, value in enumerate(call.args)]
    named += sorted(call.kwargs.items())
    for name, value in named:
        if isinstance(value, Tensor) and value.dim() and len(value) in (call.rows, 1):
            yield name, value.detach()
        elif is_row_list(value, call.rows):
            yield name, [item.detach() for item in value]


def _tensor_digests(name: str, tensor: Tensor, shape: tuple[int | str, ...]) -> NDArray[np.int64]:
    """Return the joined hash of one argument's rows, (N,), which are said to have `shape`."""
    offset, factor = _constants(name, str(tensor.dtype), shape)
    first, second = _sums(tensor)
    return _folded((_folded((first + offset) * factor) + second) * factor)


def _sums(tensor: Tensor) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    rows = len(tensor)
    size = math.prod(tensor.shape[1:]) * tensor.element_size()
    words = -(-size // 8)
    if not rows or not words:
        return np.zeros(rows, dtype=np.int64), np.zeros(rows, dtype=np.int64)
    if tensor.device.type == "cpu":
        data = _words(tensor, size).numpy()
        first, second = _weights(words)
        # einsum multiplies and adds in one pass, without a temporary, and wraps around.
        return (
            np.einsum("ij,j->i", data, first),
            np.einsum("ij,j->i", data.view(">i8"), second),
        )
    return _sums_on_device(_words(tensor, size), words)


def _sums_on_device(data: Tensor, words: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the same two sums, made where the data lie: only two numbers per row are copied."""
    first, second = (torch.from_numpy(w).to(data.device) for w in _weights(words))
    swapped = data.view(torch.uint8).view(len(data), words, 8).flip(2).contiguous()
    sums = (data * first).sum(1), (swapped.view(torch.int64).squeeze(2) * second).sum(1)
    return sums[0].cpu().numpy(), sums[1].cpu().numpy()


def _words(rows: Tensor, size: int) -> Tensor:
    """Return the bytes of `rows` as (n, words) int64, a view where memory allows it."""
    flat = rows.reshape(len(rows), -1).contiguous()
    aligned = flat.storage_offset() * flat.element_size() % 8 == 0
    if size % 8 == 0 and aligned:
        return flat.view(torch.int64)
    words = -(-size // 8)
    padded = torch.zeros(len(rows), words, dtype=torch.int64, device=rows.device)
    padded.view(torch.uint8)[:, :size] = flat.view(torch.uint8)
    return padded


def _folded(values: NDArray[np.int64]) -> NDArray[np.int64]:
    return values + (values >> 32)


def _weights(words: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return odd_numbers(1, words), odd_numbers(_SECOND + 1, words)


@lru_cache(maxsize=1024)
def odd_numbers(start: int, count: int) -> NDArray[np.int64]:
    """Return splitmix64 of the positions from `start` on, made odd: a fixed sequence."""
    with np.errstate(over="ignore"):
        z = np.arange(start, start + count, dtype=np.uint64) * np.uint64(_SEED)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        odd: NDArray[np.uint64] = (z ^ (z >> np.uint64(31))) | np.uint64(1)
        return odd.view(np.int64)


@lru_cache(maxsize=1024)
def _constants(name: str, dtype: str, shape: tuple[int | str, ...]) -> tuple[int, int]:
    """Return the offset and the odd factor that stand for an argument's name, dtype and shape."""
    text = f"{name}|{dtype}|{shape}".encode()
    digest = hashlib.sha256(text).digest()
    offset = int.from_bytes(digest[:8], "little", signed=True)
    return offset, int.from_bytes(digest[8:16], "little", signed=True) | 1
