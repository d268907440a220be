"""Data sets that hold all their rows as arrays: read as slices instead of item by item."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Subset, TensorDataset

from pytest_deepimportance.data.batches import ModelCall, as_labels, as_tensor, is_array
from pytest_deepimportance.data.rowsources import Memory, batch_call
from pytest_deepimportance.data.sampling import shuffled

_CHECKED_ITEMS = 8


def in_memory(dataset: Any) -> Memory | None:
    """Return the rows of a data set that holds them as arrays, None if it must be read by item.

    A `TensorDataset`, or a torchvision data set whose only transform is `ToTensor` (its `data`
    divided by 255, checked on some items), or a `Subset` of one.
    """
    if type(dataset) is Subset:
        inner = in_memory(dataset.dataset)
        index = np.asarray(dataset.indices, dtype=np.int64).reshape(-1)
        if inner is None:
            return None
        rows = index if inner.index is None else inner.index[index]
        return Memory(inner.call, rows, inner.prepare)
    if type(dataset) is TensorDataset:
        return Memory(batch_call(tuple(dataset.tensors)))
    return _stored_images(dataset)


def _stored_images(dataset: Any) -> Memory | None:
    transforms = sys.modules.get("torchvision.transforms")
    if transforms is None or not type(dataset).__module__.startswith("torchvision.datasets."):
        return None
    plain = type(getattr(dataset, "transform", None)) is transforms.ToTensor
    if not plain or getattr(dataset, "target_transform", None) is not None:
        return None
    data, rows = getattr(dataset, "data", None), len(dataset)
    labels = getattr(dataset, "targets", getattr(dataset, "labels", None))
    if not is_array(data) or len(data) != rows or not rows or data.ndim not in (3, 4):
        return None
    pixels, classes = as_tensor(data), as_labels(labels, rows)
    if pixels.dtype != torch.uint8 or classes is None:
        return None
    memory = Memory(ModelCall((pixels,), {}, classes, rows), None, _scaled)
    return memory if _same_items(memory, dataset) else None


def _scaled(call: ModelCall) -> ModelCall:
    """Do what `ToTensor` does to each image: channels first, float, divided by 255."""
    pixels: Tensor = call.args[0]
    images = pixels.unsqueeze(1) if pixels.dim() == 3 else pixels.permute(0, 3, 1, 2)
    dtype = torch.get_default_dtype()
    scaled = images.to(dtype, memory_format=torch.contiguous_format).div_(255)
    return ModelCall((scaled,), {}, call.labels, call.rows)


def _same_items(memory: Memory, dataset: Any) -> bool:
    generator = torch.Generator().manual_seed(0)
    index = torch.from_numpy(shuffled(memory.call.rows, generator)[:_CHECKED_ITEMS])
    call = _scaled(memory.call.select(index))
    for k, i in enumerate(index.tolist()):
        image, label = dataset[i][:2]
        if not isinstance(image, Tensor) or not torch.equal(image, call.args[0][k]):
            return False
        if call.labels is None or int(label) != int(call.labels[k]):
            return False
    return True
