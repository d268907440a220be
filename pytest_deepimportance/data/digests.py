"""A 64-bit content hash of each input row: distinct inputs are counted by it (DESIGN D9).

The definition, in wrap-around 64-bit arithmetic. A row's bytes (row-major, padded with zeros to
whole 8-byte words x_i, little-endian, signed) give

    d = sum_i g(w_i * f(x_i)),   f(x) = x + (x >> 29),   g(z) = z + (z >> 32)   (arithmetic shifts)

with odd pseudo-random weights w_i. A plain sum of w_i * x_i would lose whole bits where only the
high bits of a word vary (the sign bits of two floats cancel under odd weights, a float64 with few
mantissa bits leaves twelve bits); f and g fold high bits into low ones around the product.
Several arguments are joined with constants made from name, dtype and row shape.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pytest_deepimportance.data.batches import ModelCall, is_row_list

_SEED = 0x9E3779B97F4A7C15
_CHUNK_WORDS = {"cpu": 1 << 15}
_DEVICE_CHUNK_WORDS = 1 << 23


def row_digests(call: ModelCall) -> NDArray[np.uint64]:
    """Return the content hash of each row, (N,) uint64.

    Equal rows give equal digests at any batch size, on any device, in any memory layout. All
    tensor arguments count whose first dimension is N, or 1 (shared by the rows), and lists of N
    tensors; scalars, text and labels do not.
    """
    total: Tensor | None = None
    for name, value in _arguments(call):
        if isinstance(value, Tensor):
            part = _tensor_digests(name, value).expand(call.rows)
        else:
            parts = [_tensor_digests(name, item.unsqueeze(0)) for item in value]
            part = torch.cat(parts) if parts else torch.zeros(0, dtype=torch.int64)
        total = part if total is None else total + part.to(total.device)
    if total is None:
        return np.zeros(call.rows, dtype=np.uint64)
    digests: NDArray[np.uint64] = total.cpu().contiguous().numpy().view(np.uint64)
    return digests


def _arguments(call: ModelCall) -> Iterator[tuple[str, Tensor | list[Tensor]]]:
    named = [(str(i), value) for i, value in enumerate(call.args)]
    named += sorted(call.kwargs.items())
    for name, value in named:
        if isinstance(value, Tensor) and value.dim() and len(value) in (call.rows, 1):
            yield name, value.detach()
        elif is_row_list(value, call.rows):
            yield name, [item.detach() for item in value]


def _tensor_digests(name: str, tensor: Tensor) -> Tensor:
    """Return the joined hash of one argument's rows, (N,) int64 on the tensor's device."""
    offset, factor = _constants(name, str(tensor.dtype), tuple(tensor.shape[1:]))
    return _folded((_sums(tensor) + offset) * factor)


def _sums(tensor: Tensor) -> Tensor:
    rows, width = len(tensor), tensor[:1].numel()
    size = width * tensor.element_size()
    words = -(-size // 8)
    result = torch.zeros(rows, dtype=torch.int64, device=tensor.device)
    if not rows or not words:
        return result
    limit = _CHUNK_WORDS.get(tensor.device.type, _DEVICE_CHUNK_WORDS)
    step = min(rows, max(1, limit // words))
    weights = _weights(1 << (words - 1).bit_length(), tensor.device)[:words]
    first, second = torch.empty(2, step, words, dtype=torch.int64, device=tensor.device)
    for start in range(0, rows, step):
        chunk = _words(tensor[start : start + step], size, words)
        a, b = first[: len(chunk)], second[: len(chunk)]
        torch.bitwise_right_shift(chunk, 29, out=a)
        a += chunk
        a *= weights
        torch.bitwise_right_shift(a, 32, out=b)
        a += b
        torch.sum(a, 1, out=result[start : start + step])
    return result


def _words(rows: Tensor, size: int, words: int) -> Tensor:
    """Return the bytes of `rows` as (n, words) int64, a view where memory allows it."""
    flat = rows.reshape(len(rows), -1).contiguous()
    aligned = flat.storage_offset() * flat.element_size() % 8 == 0
    if size % 8 == 0 and aligned:
        return flat.view(torch.int64)
    padded = torch.zeros(len(rows), words, dtype=torch.int64, device=rows.device)
    padded.view(torch.uint8)[:, :size] = flat.view(torch.uint8)
    return padded


def _folded(values: Tensor) -> Tensor:
    return values + (values >> 32)


@lru_cache(maxsize=64)
def _weights(count: int, device: torch.device) -> Tensor:
    """Return the first `count` odd weights: splitmix64 of the position, so a fixed sequence."""
    with np.errstate(over="ignore"), torch.inference_mode(False):
        z = (np.arange(1, count + 1, dtype=np.uint64)) * np.uint64(_SEED)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        odd = (z ^ (z >> np.uint64(31))) | np.uint64(1)
        return torch.from_numpy(odd.view(np.int64)).to(device)


@lru_cache(maxsize=1024)
def _constants(name: str, dtype: str, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the offset and the odd factor that stand for an argument's name, dtype and shape."""
    text = f"{name}|{dtype}|{shape}".encode()
    digest = hashlib.sha256(text).digest()
    offset = int.from_bytes(digest[:8], "little", signed=True)
    return offset, int.from_bytes(digest[8:16], "little", signed=True) | 1
