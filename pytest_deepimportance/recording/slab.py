"""Memory for what is kept of each pass, apart from that of the passes themselves.

A few kilobytes that outlive a forward pass, taken from between its large temporaries, keep the
allocator from using their place again: the next pass gets fresh pages, which the system must clear
first. That costs far more than copying what is kept. (glibc; other allocators lose nothing by it.)
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
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
        self._memory: NDArray[np.uint8] | None = None
        self._used = 0

    def keep(self, tensor: Tensor) -> Tensor:
        """Return a copy of a tensor in main memory; any other tensor as it is."""
        if tensor.device.type != "cpu" or not 0 < tensor.nbytes <= _LARGEST:
            return tensor
        space = torch.from_numpy(self._take(tensor.nbytes))
        copy = space.view(tensor.dtype).view(tensor.shape)
        copy.copy_(tensor)
        return copy

    def keep_array(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return a copy of an array."""
        if not 0 < array.nbytes <= _LARGEST:
            return array
        copy = self._take(array.nbytes).view(array.dtype).reshape(array.shape)
        copy[...] = array
        return copy

    def _take(self, size: int) -> NDArray[np.uint8]:
        with self._lock:
            if self._memory is None or self._used + size > _SIZE:
                self._memory, self._used = np.empty(_SIZE, dtype=np.uint8), 0
            part = self._memory[self._used : self._used + size]
            self._used += -(-size // _ALIGNED) * _ALIGNED
            return part
