"""Memory for what is kept of each pass, apart from that of the passes themselves.

A few kilobytes that outlive a forward pass, taken from between its large temporaries, keep the
allocator from using their place again: the next pass gets fresh pages, which the system must clear
first. That costs far more than copying what is kept. (glibc; other allocators lose nothing by it.)
"""

from __future__ import annotations

import threading
from typing import Any

import torch
from numpy.typing import NDArray
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

    def keep(self, tensor: Tensor) -> Tensor:
        """Return a copy of a tensor in main memory; any other tensor as it is."""
        size = tensor.nbytes
        if tensor.device.type != "cpu" or not 0 < size <= _LARGEST:
            return tensor
        memory, start = self._take(tensor.dtype, size)
        return memory[start : start + tensor.numel()].view(tensor.shape).copy_(tensor)

    def keep_array(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return a copy of an array."""
        if not 0 < array.nbytes <= _LARGEST:
            return array
        memory, start = self._take(torch.uint8, array.nbytes)
        copy = memory.numpy()[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
        copy[...] = array
        return copy

    def _take(self, dtype: torch.dtype, size: int) -> tuple[Tensor, int]:
        """Return the slab as one long tensor of `dtype`, and where in it the space begins."""
        with self._lock:
            if self._used + size > _SIZE:
                self._views = {torch.uint8: torch.empty(_SIZE, dtype=torch.uint8)}
                self._used = 0
            if dtype not in self._views:
                self._views[dtype] = self._views[torch.uint8].view(dtype)
            start = self._used
            self._used += -(-size // _ALIGNED) * _ALIGNED
            return self._views[dtype], start // dtype.itemsize
