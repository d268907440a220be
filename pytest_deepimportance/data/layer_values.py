"""Activations of one layer, reduced to neurons."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class LayerValues:
    """Activations of one layer for N rows.

    Attributes:
        values: One value per neuron, (N, U), copied from the forward pass and detached.
        smallest, largest: Smallest and largest unreduced value of each row, (N,); None where
            nothing was reduced, so that `values` holds them.
    """

    values: Tensor
    smallest: Tensor | None = None
    largest: Tensor | None = None

    @property
    def raw_min(self) -> Tensor:
        """Smallest unreduced value of each row, (N,)."""
        return self.values.amin(dim=1) if self.smallest is None else self.smallest

    @property
    def raw_max(self) -> Tensor:
        """Largest unreduced value of each row, (N,)."""
        return self.values.amax(dim=1) if self.largest is None else self.largest

    @property
    def all_finite(self) -> bool:
        """Whether every value is finite, told by one number; a sum that overflows says no too."""
        return math.isfinite(sum(tensor.sum() for tensor in self.tensors()))

    def finite(self) -> Tensor:
        """Return for each row whether every value is finite, reduced or not, (N,) bool."""
        if self.all_finite:
            return torch.ones(len(self.values), dtype=torch.bool, device=self.values.device)
        result = torch.isfinite(self.values).all(dim=1)
        if self.smallest is not None and self.largest is not None:
            result &= torch.isfinite(self.smallest) & torch.isfinite(self.largest)
        return result

    def tensors(self) -> list[Tensor]:
        """Return what is held, in the order in which `map` asks."""
        return [t for t in (self.values, self.smallest, self.largest) if t is not None]

    def map(self, change: Callable[[Tensor], Tensor]) -> LayerValues:
        """Return the values with `change` applied to each tensor."""
        return LayerValues(
            change(self.values),
            None if self.smallest is None else change(self.smallest),
            None if self.largest is None else change(self.largest),
        )
