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

import torch
from torch import Tensor

_SIZE = 64 << 20
"""Bytes of a slab: above any size that glibc serves from its heap; untouched pages cost nothing."""

_LARGEST = 1 << 20
"""What is larger is left where it is."""

_ALIGNED = 64


class Slab:
    """Hands out copies that lie one after another; a slab is freed with the last of its copies."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
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
            memory, start = self._take(flat[0].dtype, sum(tensor.nbytes for tensor in flat))
            joined = memory[start : start + rows * sum(widths)].view(rows, sum(widths))
            torch.cat(flat, dim=1, out=joined)
            for number, part in zip(numbers, joined.split_with_sizes(widths, dim=1), strict=True):
                kept[number] = part if tensors[number].dim() == 2 else part.squeeze(1)
        return kept

    def _take(self, dtype: torch.dtype, size: int) -> tuple[Tensor, int]:
        """Return the slab as one long tensor of `dtype`, and where in it the space begins."""
        with self._lock:
            if self._used + size > _SIZE:
                self._views = {torch.uint8: _room(_SIZE)}
                self._used = 0
            if dtype not in self._views:
                self._views[dtype] = self._views[torch.uint8].view(dtype)
            start = self._used
            self._used += -(-size // _ALIGNED) * _ALIGNED
            return self._views[dtype], start // dtype.itemsize


def _is_kept(tensor: Tensor) -> bool:
    return tensor.device.type == "cpu" and 0 < tensor.nbytes <= _LARGEST


def _with_columns(tensor: Tensor) -> Tensor:
    return tensor if tensor.dim() == 2 else tensor.unsqueeze(1)


def _room(size: int) -> Tensor:
    """Return memory of so many bytes; in large pages where the system has them (Linux)."""
    advice = getattr(mmap, "MADV_HUGEPAGE", None)
    if advice is None:
        return torch.empty(size, dtype=torch.uint8)
    # A page of 4 KB that is touched first costs as much as copying 20 KB into it.
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # a kernel without large pages: the same memory, a little slower
        pages.madvise(advice)
    return torch.frombuffer(pages, dtype=torch.uint8)
