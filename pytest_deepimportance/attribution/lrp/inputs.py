"""The tensors that a call gives to the model, and the relevance that reached each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pytest_deepimportance.attribution.lrp.operands import tensors_of


@dataclass(frozen=True)
class Landing:
    """Where in an input a view of it lies.

    Attributes:
        position: Which tensor of the call.
        shape, stride, offset: Of the view, the offset from the input's first value.
    """

    position: int
    shape: torch.Size
    stride: tuple[int, ...]
    offset: int


class Inputs:
    """A call's tensors in order: positional ones first, then keywords.

    Args:
        wanted: Whether their relevance is wanted. Otherwise none is kept, and the gradient with
            respect to the first layer's input need not be computed.
    """

    def __init__(self, *, wanted: bool = False) -> None:
        self.wanted = wanted
        self._tensors: list[tuple[Tensor, int]] = []
        self._relevance: dict[int, Tensor] = {}

    def add(self, tensor: Tensor) -> int:
        """Note the next tensor of the call, and return its position."""
        self._tensors.append((tensor, tensor._version))
        return len(self._tensors) - 1

    def leave_graph(self) -> None:
        """Keep only what the tensors were: their hooks lead here, and nothing frees that."""
        self._tensors = [(tensor.detach(), version) for tensor, version in self._tensors]

    def is_one(self, tensor: Tensor) -> bool:
        """Whether `tensor` is an input of the model that nothing has changed."""
        return any(
            known is tensor and version == tensor._version for known, version in self._tensors
        )

    def position(self, tensor: Tensor) -> int | None:
        """Return which input `tensor` is, or shows the values of in order (a flattened view)."""
        for position, (known, version) in enumerate(self._tensors):
            same = known is tensor or (
                known.data_ptr() == tensor.data_ptr()
                and known.numel() == tensor.numel()
                and known.is_contiguous()
                and tensor.is_contiguous()
            )
            if same and version == tensor._version:
                return position
        return None

    def landing(self, tensor: Tensor) -> Landing | None:
        """Return where in an unchanged input the values of `tensor` lie, if it is a view of one."""
        for position, (known, version) in enumerate(self._tensors):
            same = known.untyped_storage().data_ptr() == tensor.untyped_storage().data_ptr()
            spread = any(
                stride == 0 and size > 1
                for size, stride in zip(tensor.shape, tensor.stride(), strict=True)
            )
            if same and version == tensor._version and not spread:
                offset = int(tensor.storage_offset() - known.storage_offset())
                return Landing(position, tensor.shape, tensor.stride(), offset)
        return None

    def collect_at(self, landing: Landing, relevance: Tensor) -> None:
        """Add relevance at a view of an input."""
        if not self.wanted:
            return
        tensor = self._tensors[landing.position][0]
        whole = torch.empty_strided(
            tensor.shape, tensor.stride(), dtype=relevance.dtype, device=relevance.device
        ).zero_()
        whole.as_strided(landing.shape, landing.stride, landing.offset).copy_(relevance)
        self.collect(landing.position, whole)

    def read_by(self, values: Any, shape: torch.Size) -> int | None:
        """Return which input of `shape` is among the arguments `values` of a function, if any."""
        for tensor in tensors_of(values):
            position = self.position(tensor) if tensor.shape == shape else None
            if position is not None:
                return position
        return None

    def collect(self, position: int, relevance: Tensor) -> None:
        """Add relevance: one number for each value of the input, or for each feature of it."""
        if not self.wanted:
            return
        tensor = self._tensors[position][0]
        relevance = relevance.detach()
        if relevance.numel() != tensor.numel():
            relevance = relevance.sum(-1)
        relevance = relevance.reshape(tensor.shape)
        known = self._relevance.get(position)
        self._relevance[position] = relevance if known is None else known + relevance

    @property
    def reached(self) -> bool:
        """Whether relevance arrived anywhere."""
        return bool(self._relevance)

    def relevance(self) -> tuple[Tensor, ...]:
        """Return the relevance of each tensor of the call, shaped like it; zeros where none came.

        A tensor of integers or booleans gets float32.
        """
        return tuple(
            self._relevance.get(position, _nothing(tensor))
            for position, (tensor, _) in enumerate(self._tensors)
        )


def mark_given(value: Any) -> None:
    """Note that tensors were made from the model's inputs, though no relevance flows there."""
    for tensor in tensors_of(value):
        tensor._idc_given = True  # type: ignore[attr-defined]


def are_given(values: Any) -> bool:
    """Whether any tensor among arguments was made from the model's inputs (token ids were)."""
    return any(getattr(tensor, "_idc_given", False) for tensor in tensors_of(values))


def _nothing(tensor: Tensor) -> Tensor:
    dtype = tensor.dtype if tensor.is_floating_point() else torch.float32
    return torch.zeros(tensor.shape, dtype=dtype, device=tensor.device)
