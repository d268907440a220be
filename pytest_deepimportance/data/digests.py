"""A 64-bit content hash of each input row: distinct inputs are counted by it (DESIGN D9).

The definition. A row's bytes (row-major, padded with zeros) are read as signed 16-bit words x_i,
little-endian, in blocks of 2,048. Each block gives two sums with pseudo-random 26-bit weights

    s = sum_i u_i * x_i,   t = sum_i v_i * x_i

below 2**53, so float64 arithmetic is exact in any order and on any device. Two blocks that differ
agree in one sum with probability 2**-26 at most, in both with 2**-52, whatever their structure. The
blocks are joined in wrap-around 64-bit integers

    d = sum_b g((s_b * P + t_b * Q) * w_b),   g(z) = z + (z >> 32)   (arithmetic shift)

with odd constants P, Q and odd weights w_b. Several arguments are joined with constants made from
name, dtype and row shape.
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
_BLOCK = 2048
_WEIGHT_BITS = 26
_P, _Q = 0x2545F4914F6CDD1D, 0x369DEA0F31A53F85
_CHUNK_WORDS = {"cpu": 1 << 16}
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
    if tensor.device.type == "mps":  # has no float64
        tensor = tensor.cpu()
    rows, width = len(tensor), tensor[:1].numel()
    size = width * tensor.element_size()
    words = -(-size // 2)
    if not rows or not words:
        return torch.zeros(rows, dtype=torch.int64, device=tensor.device)
    blocks = -(-words // _BLOCK)
    length = words if blocks == 1 else _BLOCK
    limit = _CHUNK_WORDS.get(tensor.device.type, _DEVICE_CHUNK_WORDS)
    step = min(rows, max(1, limit // (blocks * length)))
    first, second, joining = _weights(tensor.device, length, blocks)
    # Words beyond the last one of a row stay zero in the buffer and add nothing.
    buffer = torch.zeros(step, blocks * length, dtype=torch.float64, device=tensor.device)
    sums = torch.empty(2, rows * blocks, dtype=torch.float64, device=tensor.device)
    view = _words(tensor, size)
    for start in range(0, rows, step):
        stop = min(rows, start + step)
        part = buffer[: stop - start]
        part[:, :words].copy_(view[start:stop])
        flat = part.view(-1, length)
        torch.mv(flat, first, out=sums[0, start * blocks : stop * blocks])
        torch.mv(flat, second, out=sums[1, start * blocks : stop * blocks])
    whole = sums.long()
    joined = (whole[0] * _P + whole[1] * _Q).view(rows, blocks)
    return _folded(joined * joining).sum(1)


def _words(rows: Tensor, size: int) -> Tensor:
    """Return the bytes of `rows` as (n, words) int16, a view where memory allows it."""
    flat = rows.reshape(len(rows), -1).contiguous()
    if flat.dtype is torch.bool:
        flat = flat.view(torch.uint8)
    aligned = flat.storage_offset() * flat.element_size() % 2 == 0
    if size % 2 == 0 and aligned:
        return flat.view(torch.int16)
    padded = torch.zeros(len(rows), size + size % 2, dtype=torch.uint8, device=rows.device)
    padded[:, :size] = flat.view(torch.uint8)
    return padded.view(torch.int16)


def _folded(values: Tensor) -> Tensor:
    return values + (values >> 32)


@lru_cache(maxsize=64)
def _weights(device: torch.device, length: int, blocks: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return u (length,), v (length,) as float64 and the odd w (blocks,) as int64."""
    with torch.inference_mode(False):
        z = _scrambled(length)
        low = (1 << _WEIGHT_BITS) - 1
        first = (z & np.uint64(low)).astype(np.float64)
        second = ((z >> np.uint64(_WEIGHT_BITS)) & np.uint64(low)).astype(np.float64)
        joining = (_scrambled(blocks) | np.uint64(1)).view(np.int64)
        return (
            torch.from_numpy(first).to(device),
            torch.from_numpy(second).to(device),
            torch.from_numpy(joining).to(device),
        )


def _scrambled(count: int) -> NDArray[np.uint64]:
    """Return splitmix64 of the positions 1..count: a fixed pseudo-random sequence."""
    with np.errstate(over="ignore"):
        z = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_SEED)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        result: NDArray[np.uint64] = z ^ (z >> np.uint64(31))
        return result


@lru_cache(maxsize=1024)
def _constants(name: str, dtype: str, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the offset and the odd factor that stand for an argument's name, dtype and shape."""
    text = f"{name}|{dtype}|{shape}".encode()
    digest = hashlib.sha256(text).digest()
    offset = int.from_bytes(digest[:8], "little", signed=True)
    return offset, int.from_bytes(digest[8:16], "little", signed=True) | 1
