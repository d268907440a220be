"""Memory for what is kept of each pass, apart from that of the passes themselves.

A few kilobytes that outlive a forward pass, taken from between its large temporaries, keep the
allocator from using their place again: the next pass gets fresh pages, which the system must clear
first. That costs far more than copying what is kept. (glibc; other allocators lose nothing by it.)
"""

from __future__ import annotations

import mmap
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_SIZE = 64 << 20
"""Bytes of a slab: above any size that glibc serves from its heap; untouched pages cost nothing."""

_LARGEST = 1 << 20
"""What is larger is left where it is."""

LARGEST_STRIP = _SIZE // 2
"""Bytes that may be asked for as rows, at most."""

_ALIGNED = 64


class Slab:
    """Hands out copies that lie one after another; a slab is freed with the last of its copies."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._memory = np.empty(0, np.uint8)
        self._views: dict[torch.dtype, Tensor] = {}
        self._used = _SIZE

    def keep_rows(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Return copies of tensors with the same number of rows, (N, U) or (N,), side by side.

        One operation copies all of one kind. What is large, empty or not in main memory is left
        where it is.
        """
        alike: dict[torch.dtype, list[int]] = {}
        kept = list(tensors)
        for number, tensor in enumerate(tensors):
            if _is_kept(tensor):
                alike.setdefault(tensor.dtype, []).append(number)
        for numbers in alike.values():
            flat = [_with_columns(tensors[number]) for number in numbers]
            widths = [tensor.shape[1] for tensor in flat]
            rows = len(flat[0])
            joined = self._room_for(flat[0].dtype, rows, sum(widths))
            torch.cat(flat, dim=1, out=joined)
            for number, part in zip(numbers, joined.split_with_sizes(widths, dim=1), strict=True):
                kept[number] = part if tensors[number].dim() == 2 else part.squeeze(1)
        return kept

    def rows(self, kind: np.dtype[Any], rows: int, width: int) -> NDArray[Any]:
        """Return room for (rows, width) values, right after what was asked for before."""
        size = rows * width * kind.itemsize
        with self._lock:
            start = self._reserve(size, kind.itemsize)
            return self._memory[start : start + size].view(kind).reshape(rows, width)

    def _room_for(self, dtype: torch.dtype, rows: int, width: int) -> Tensor:
        with self._lock:
            start = self._reserve(rows * width * dtype.itemsize, _ALIGNED) // dtype.itemsize
            if dtype not in self._views:
                self._views[dtype] = torch.from_numpy(self._memory).view(dtype)
            return self._views[dtype][start : start + rows * width].view(rows, width)

    def _reserve(self, size: int, aligned: int) -> int:
        """Return where in the slab, or in a new one, so many bytes are free."""
        start = -(-self._used // aligned) * aligned
        if start + size > _SIZE:
            self._memory, self._views, start = _room(_SIZE), {}, 0
        self._used = start + size
        return start


def _is_kept(tensor: Tensor) -> bool:
    return tensor.device.type == "cpu" and 0 < tensor.nbytes <= _LARGEST


def _with_columns(tensor: Tensor) -> Tensor:
    return tensor if tensor.dim() == 2 else tensor.unsqueeze(1)


def _room(size: int) -> NDArray[np.uint8]:
    """Return memory of so many bytes; in large pages where the system has them (Linux)."""
    advice = getattr(mmap, "MADV_HUGEPAGE", None)
    if advice is None:
        return np.empty(size, np.uint8)
    # A page of 4 KB that is touched first costs as much as copying 20 KB into it.
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # a kernel without large pages: the same memory, a little slower
        pages.madvise(advice)
    return np.frombuffer(pages, np.uint8)
