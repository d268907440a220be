"""Reduce a site's tensor to one value per neuron: (N, U), copied at once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pytest_deepimportance.data.layer_values import LayerValues
from pytest_deepimportance.models.sitemap import Site
from pytest_deepimportance.recording.packing import packing_of, unpacked

_LARGE = 1 << 13
"""Values of an input in one layer from which on a single neuron is looked at first."""


def reduce_to_neurons(
    tensor: Tensor,
    site: Site,
    how: str = "mean",
    mask: Tensor | None = None,
    *,
    non_negative: bool = False,
) -> LayerValues:
    """Reduce a site's tensor to one value per neuron.

    Args:
        tensor: The site's tensor: (N, U), or with positions, such as (N, C, H, W) or (N, T, D).
        site: Says which axis holds the neurons and which the inputs.
        how: What a neuron's positions become: their mean, the first, the last, the maximum, or
            none (each element is a neuron, in the tensor's own order).
        mask: (N, T), True for real tokens; used where the tensor has exactly T positions. A row
            without any real token is reduced over all.

    Returns:
        Values (N, U) in at least single precision, with the smallest and largest unreduced value of
        each row (N,). Nothing shares memory with `tensor`.
    """
    rows = _Rows(tensor, site, mask)
    if rows.flat is not None:
        return LayerValues(rows.flat.clone() if rows.shares_memory else rows.flat)
    low, high = rows.extremes(non_negative)
    return LayerValues(rows.reduced(how), low, high)


def sum_to_neurons(tensor: Tensor, site: Site, mask: Tensor | None = None) -> Tensor:
    """Return the signed sum over each neuron's positions, (N, U): for relevance.

    Args:
        tensor, site, mask: As for `reduce_to_neurons`; padded positions count nothing.
    """
    rows = _Rows(tensor, site, mask)
    if rows.flat is not None:
        return rows.flat.clone() if rows.shares_memory else rows.flat
    return rows.summed()


def is_plain(tensor: Any) -> bool:
    """Whether this is a tensor of nothing but numbers in main memory, in order, none packed."""
    return (
        (type(tensor) is Tensor or type(tensor) is torch.nn.Parameter)
        and tensor.is_cpu
        and tensor.layout is torch.strided
        and not tensor.is_nested
        and tensor.is_contiguous()
        and not tensor.is_neg()
        and packing_of(tensor) is None
    )


def reduce_into(
    tensor: Tensor,
    channels: int,
    means: Tensor,
    smallest: Tensor,
    largest: Tensor,
    *,
    non_negative: bool = False,
) -> None:
    """Reduce a tensor as `reduce_to_neurons` does for means, to given places.

    Args:
        tensor: (N, ..., U, ...), a plain one (see `is_plain`).
        channels: Its axis of U.
        means: (N, U), is written.
        smallest, largest: (N,), are written.
        non_negative: Whether no value can be below 0.
    """
    axes = list(range(1, tensor.dim()))
    torch.amax(tensor, axes, out=largest)
    low = _smallest_from_zero(tensor, 0, channels) if non_negative else None
    if low is None:
        torch.amin(tensor, axes, out=smallest)
    else:
        smallest.copy_(low)
    axes.remove(channels)
    means.copy_(tensor.mean(axes))  # in less time than with out=, where the rows lie apart


class _Rows:
    """A site's tensor with the inputs first, the neurons last and the positions between.

    Attributes:
        flat: (N, U) when there are no positions, else None.
        shares_memory: Whether `flat` is the user's memory.
    """

    def __init__(self, tensor: Tensor, site: Site, mask: Tensor | None) -> None:
        packed, tensor = unpacked(tensor), tensor.detach()
        if packed is not None:
            tensor, mask = packed
        elif tensor.is_nested:
            tensor, mask = _padded(tensor)
        plain = tensor
        if tensor.dtype in (torch.float16, torch.bfloat16):
            tensor = tensor.float()
        channels = site.channel_axis % tensor.dim()
        if tensor.dim() == 1 or channels == site.row_axis:  # one input without a row axis
            tensor, channels = tensor.unsqueeze(0), channels + 1
        self.flat: Tensor | None = None
        self.shares_memory = tensor is plain
        self._tensor = tensor
        self._channels = channels
        self._positions = [a for a in range(tensor.dim()) if a not in (channels, site.row_axis)]
        self._row_axis = site.row_axis
        if not self._positions:
            self.flat = tensor if self._row_axis == 0 else tensor.t()
        self._mask = self._fitting(mask)

    def extremes(self, non_negative: bool = False) -> tuple[Tensor, Tensor]:
        """Return the smallest and largest value of each row."""
        axes = [a for a in range(self._tensor.dim()) if a != self._row_axis]
        if self._mask is None:
            high = torch.amax(self._tensor, axes)
            low = None
            if non_negative:
                low = _smallest_from_zero(self._tensor, self._row_axis, self._channels)
            return torch.amin(self._tensor, axes) if low is None else low, high
        low = self._tensor.masked_fill(~self._mask, float("inf"))
        high = self._tensor.masked_fill(~self._mask, float("-inf"))
        return torch.amin(low, axes), torch.amax(high, axes)

    def reduced(self, how: str) -> Tensor:
        """Return (N, U), or (N, all elements) for "none"."""
        if how == "none":
            kept = self._tensor if self._mask is None else self._zeroed()
            return kept.movedim(self._row_axis, 0).flatten(1).clone()
        if how == "mean":
            return self._mean()
        if how == "max":
            kept = self._tensor
            if self._mask is not None:
                kept = kept.masked_fill(~self._mask, float("-inf"))
            return self._oriented(torch.amax(kept, self._positions))
        return self._at_end(last=how == "last")

    def summed(self) -> Tensor:
        """Return the sum over positions, (N, U)."""
        kept = self._tensor if self._mask is None else self._zeroed()
        return self._oriented(kept.sum(self._positions))

    def _mean(self) -> Tensor:
        if self._mask is None:
            return self._oriented(self._tensor.mean(self._positions))
        total = self._zeroed().sum(self._positions, keepdim=True)
        count = self._mask.sum(self._positions, keepdim=True).to(total.dtype)
        return self._oriented((total / count).squeeze(self._positions[0]))

    def _at_end(self, last: bool) -> Tensor:
        """Return the first or last real position."""
        ordered = self._tensor.movedim((self._row_axis, self._channels), (0, -1)).flatten(1, -2)
        if self._mask is None:
            return ordered[:, -1 if last else 0].clone()
        real = self._mask.movedim((self._row_axis, self._channels), (0, -1)).flatten(1)
        # argmax finds the first of equal values; from behind, it finds the last.
        index = (real.flip(1) if last else real).int().argmax(1)
        index = real.shape[1] - 1 - index if last else index
        return ordered[torch.arange(len(ordered), device=index.device), index]

    def _zeroed(self) -> Tensor:
        assert self._mask is not None
        # where, not a product: padded positions may hold NaN.
        return torch.where(self._mask, self._tensor, torch.zeros_like(self._tensor))

    def _oriented(self, reduced: Tensor) -> Tensor:
        """Put the inputs first: the neurons come first where their axis was before."""
        return reduced if self._row_axis < self._channels else reduced.t().contiguous()

    def _fitting(self, mask: Tensor | None) -> Tensor | None:
        """Return the mask in the tensor's axes, None where it does not fit or hides nothing."""
        if mask is None or len(self._positions) != 1:
            return None
        place = self._positions[0]
        size = (self._tensor.shape[self._row_axis], self._tensor.shape[place])
        if tuple(mask.shape) != size:
            return None
        mask = mask.to(self._tensor.device) | ~mask.any(1, keepdim=True).to(self._tensor.device)
        if self._row_axis > place:
            mask = mask.t()
        return mask.unsqueeze(self._channels)


def _smallest_from_zero(tensor: Tensor, row_axis: int, channels: int) -> Tensor | None:
    """Return the smallest value of each row where one neuron shows that it is 0, else None."""
    if tensor.device.type != "cpu":  # to ask would be to wait for the device
        return None
    if tensor.numel() < _LARGE * tensor.shape[row_axis]:
        return None  # to look at all is as fast
    axes = [axis for axis in range(tensor.dim()) if axis != row_axis]
    first = torch.amin(tensor.narrow(channels, 0, 1), axes)
    return None if first.any() else first


def _padded(tensor: Tensor) -> tuple[Tensor, Tensor]:
    """Return a nested tensor [N, T*, D] padded, and which tokens are real."""
    parts = tensor.unbind()
    lengths = torch.tensor([len(part) for part in parts])
    full = torch.nested.to_padded_tensor(tensor, 0.0)
    return full, torch.arange(full.shape[1]) < lengths[:, None]
