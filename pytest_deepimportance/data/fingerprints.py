"""What identifies reference data: content where it lies in memory, else descriptor and samples.

DESIGN D14: arrays by content; map-style data sets by descriptor plus 32 items read twice.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, Dataset, Subset

from pytest_deepimportance.data.batches import ModelCall, is_array
from pytest_deepimportance.data.sampling import PrivateRandom, shuffled

AUGMENTED_NOTE = "reference is augmented: the profile is one draw"

_ITEMS = 32
_READ_SEEDS = (0x1DC, 0x2DC)
_TRANSFORMS = ("transform", "target_transform", "transforms")
_ADDRESS = re.compile(r"\s+at 0x[0-9A-Fa-f]+")
_CHUNK_BYTES = 1 << 24


@dataclass(frozen=True)
class Identity:
    """The fingerprint of a data set (hex sha256), and whether two reads of an item differ."""

    fingerprint: str
    augmented: bool = False


def content_fingerprint(*calls: ModelCall) -> str:
    """Return the sha256 over names, dtypes, shapes and bytes of all arguments and labels."""
    digest = hashlib.sha256()
    for call in calls:
        arguments = {str(i): value for i, value in enumerate(call.args)}
        for name, value in sorted({**arguments, **call.kwargs, "labels=": call.labels}.items()):
            digest.update(name.encode())
            _add(digest, value)
    return digest.hexdigest()


def identify(dataset: Any) -> Identity:
    """Return the identity of a map-style data set (row 24 of the engineering notes).

    Class, length, transforms, arrays, lists of numbers and of paths (with size and time of change)
    held as attributes, and 32 items drawn with a fixed seed. The items are read twice under
    different random seeds: if the reads differ the data set is augmented, and only the descriptor
    counts.
    """
    digest = hashlib.sha256()
    for part in _describe(dataset, 0):
        _add(digest, part)
    first, second = (_items_digest(dataset, seed) for seed in _READ_SEEDS)
    if first == second:
        digest.update(first)
    return Identity(digest.hexdigest(), augmented=first != second)


def stable_repr(value: Any) -> str:
    """Return `repr(value)` without memory addresses, equal in every process."""
    named = getattr(value, "__qualname__", None)
    if named is not None:
        return f"{getattr(value, '__module__', '')}.{named}"
    return _ADDRESS.sub("", repr(value))


def _items_digest(dataset: Any, seed: int) -> bytes:
    length = len(dataset)
    generator = torch.Generator().manual_seed(0)
    index = shuffled(length, generator)[:_ITEMS].tolist()
    digest = hashlib.sha256()
    with PrivateRandom(seed).active():
        for i in index:
            _add(digest, dataset[i])
    return digest.digest()


def _describe(dataset: Any, depth: int) -> Iterator[Any]:
    """Yield the parts of a descriptor: text, arrays, path lists."""
    kind = type(dataset)
    yield f"{kind.__module__}.{kind.__qualname__} {len(dataset)}"
    if isinstance(dataset, Subset):
        yield np.asarray(dataset.indices, dtype=np.int64)
        yield from _describe(dataset.dataset, depth)
        return
    if isinstance(dataset, ConcatDataset):
        for part in dataset.datasets:
            yield from _describe(part, depth)
        return
    seen: set[int] = set()
    for name, value in sorted(getattr(dataset, "__dict__", {}).items()):
        if name in _TRANSFORMS:
            yield f"{name}={stable_repr(value)}"
        elif id(value) not in seen and depth < 8:
            # ImageFolder holds one list under two names.
            seen.add(id(value))
            yield from _attribute(name, value, depth)


def _attribute(name: str, value: Any, depth: int) -> Iterator[Any]:
    if is_array(value):
        yield from (name, value)
    elif isinstance(value, Dataset) and hasattr(value, "__len__"):
        yield name
        yield from _describe(value, depth + 1)
    elif isinstance(value, (list, tuple)) and value:
        paths = [path for path in map(_path_of, value) if path is not None]
        if len(paths) == len(value):
            yield from (name, _stats(paths))
        elif all(isinstance(item, (bool, int, float)) for item in value):
            yield from (name, np.asarray(value))
        elif all(is_array(item) for item in value):
            yield from (name, value)


def _path_of(item: Any) -> str | None:
    if isinstance(item, (tuple, list)) and item:
        item = item[0]
    return str(item) if isinstance(item, (str, Path)) else None


def _stats(paths: Sequence[str]) -> str:
    lines = []
    for path in paths:
        try:
            found = os.stat(path)
            lines.append(f"{path} {found.st_size} {found.st_mtime_ns}")
        except (OSError, ValueError):
            lines.append(path)
    return "\n".join(lines)


def _add(digest: hashlib._Hash, value: Any) -> None:
    """Feed `value` to the hash: arrays by dtype, shape and bytes; containers element by element."""
    if isinstance(value, Tensor):
        _add_tensor(digest, value.detach())
    elif isinstance(value, np.ndarray) and value.dtype != object:
        digest.update(f"{value.dtype}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, Mapping):
        for key in sorted(value, key=str):
            digest.update(str(key).encode())
            _add(digest, value[key])
    elif isinstance(value, (list, tuple)):
        digest.update(f"{len(value)} items".encode())
        for item in value:
            _add(digest, item)
    elif hasattr(value, "__array_interface__"):
        _add(digest, np.asarray(value))
    else:
        digest.update(f"{type(value).__name__} {_ADDRESS.sub('', repr(value))}".encode())


def _add_tensor(digest: hashlib._Hash, tensor: Tensor) -> None:
    digest.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
    if not tensor.numel():
        return
    flat = tensor.reshape(1) if not tensor.dim() else tensor
    rows = max(1, _CHUNK_BYTES * len(flat) // (flat.numel() * flat.element_size()))
    for start in range(0, len(flat), rows):
        # In chunks, so that a strided or device tensor is never copied as a whole.
        view = flat[start : start + rows].contiguous().cpu().reshape(-1).view(torch.uint8)
        digest.update(view.numpy().data)
