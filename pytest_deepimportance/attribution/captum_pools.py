"""Max pools as captum's DeepLIFT gets them right: windows that do not overlap."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

POOLS: dict[str, type[nn.Module]] = {
    "max_pool1d": nn.MaxPool1d,
    "max_pool2d": nn.MaxPool2d,
    "max_pool3d": nn.MaxPool3d,
}
_ARGUMENTS = ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")


def pool_module(name: str, args: list[Any], kwargs: dict[str, Any]) -> nn.Module | None:
    """Return a module for a call of a max pool, None where it also returns indices.

    Args:
        name: max_pool1d, max_pool2d or max_pool3d.
        args, kwargs: As it was called, without its tensor.
    """
    options = dict(zip(_ARGUMENTS, args, strict=False)) | kwargs
    if options.pop("return_indices", False):
        return None
    options["stride"] = options.get("stride") or options["kernel_size"]
    apart = not options.get("padding") and options["stride"] == options["kernel_size"]
    if apart or name == "max_pool3d":
        return POOLS[name](**options)
    return _Windows(name, options)


class _Windows(nn.Module):
    """A max pool in one or two dimensions, its windows laid side by side.

    captum sends relevance back by unpooling, which keeps one value where windows share an element.
    """

    def __init__(self, name: str, options: dict[str, Any]) -> None:
        super().__init__()
        self._name, self._options = name, options
        self._flat = name == "max_pool1d"
        pairs = {key: _pair(options.get(key, default), self._flat, default) for key, default in
                 (("kernel_size", 1), ("stride", 1), ("padding", 0), ("dilation", 1))}  # fmt: skip
        self._kernel, self._stride = pairs["kernel_size"], pairs["stride"]
        self._padding, self._dilation = pairs["padding"], pairs["dilation"]
        size = self._kernel[0] * self._kernel[1]
        self.pool = nn.MaxPool1d(size, size)

    def forward(self, tensor: Tensor) -> Tensor:
        """Return what the pool returns."""
        with torch.no_grad():
            whole = getattr(F, self._name)(tensor, **self._options)
        image = tensor.unsqueeze(-2) if self._flat else tensor
        rows, channels = image.shape[:2]
        shape = whole.unsqueeze(-2).shape[2:] if self._flat else whole.shape[2:]
        # Finite, so that padding minus padding is 0.
        image = F.pad(image, self._pads(image, shape), value=torch.finfo(image.dtype).min / 4)
        columns = F.unfold(image, self._kernel, self._dilation, 0, self._stride)
        windows = columns.view(rows, channels, -1, columns.shape[-1]).transpose(2, 3)
        result: Tensor = self.pool(windows.flatten(2)).view(whole.shape)
        return result

    def _pads(self, image: Tensor, shape: torch.Size) -> list[int]:
        """Return how much to pad left and right of each axis, the last first."""
        pads: list[int] = []
        for axis in (1, 0):
            reach = (shape[axis] - 1) * self._stride[axis]
            reach += self._dilation[axis] * (self._kernel[axis] - 1) + 1
            before = self._padding[axis]
            # Negative where the pool leaves a rest out.
            pads += [before, reach - before - image.shape[2 + axis]]
        return pads


def _pair(value: Any, flat: bool, default: int) -> tuple[int, int]:
    """Return an option for both axes; a pool over one axis gets a height of 1."""
    if flat:
        return default, value[0] if isinstance(value, (tuple, list)) else value
    if isinstance(value, (tuple, list)):
        return int(value[0]), int(value[-1])
    return value, value
