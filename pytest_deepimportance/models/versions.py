"""Was a model changed since it was last looked at? Asked before every pass, so it must be cheap."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from operator import attrgetter
from typing import Any

from torch import Tensor, nn

_TABLES: Callable[[nn.Module], Any] = attrgetter("_parameters", "_buffers", "_modules")
_COUNTED: Callable[[Tensor], int] = attrgetter("_version")


class ModelVersion:
    """The modules and weights of a model as they are now, and how often each weight was changed.

    Whether it is still current is found in a few passes in C over what the model holds. That sees
    modules and tensors replaced, `load_state_dict`, optimizer steps, in-place operations, moves,
    and batch normalisation in train mode: torch updates running statistics without counting a
    version, but counts the batch in `num_batches_tracked`, so that one is in. It cannot see writes
    through `.data` or numpy, running statistics of instance normalisation, in-place writes to
    inference tensors, nor a module whose whole table of weights was put in another's place: where
    that matters, compare `fingerprint`.

    Attributes:
        parts: The modules below the model. They and their weights live as long as this does.
        structure: Their identities.
        token: Equal for versions between which no change was seen; keeps nothing alive.
    """

    def __init__(self, model: nn.Module) -> None:
        modules = tuple(model.modules())
        self.parts: tuple[nn.Module, ...] = modules[1:]
        self.structure = tuple(map(id, self.parts))
        tables: list[dict[str, Any]] = [*chain.from_iterable(map(_TABLES, modules))]
        self._empty = [table for table in tables if not table]
        self._filled = [table for table in tables if table]
        held = [*chain.from_iterable(map(dict.values, self._filled))]
        self._held = [*map(id, held)]
        self._tensors = [value for value in held if isinstance(value, Tensor)]
        states = [*map(_state, self._tensors)]
        self._addresses = [address for address, _ in states]
        self._versions = [version for _, version in states]
        self._plain = all(self._addresses) and min(self._versions, default=0) >= 0
        self.token = (*self._held, *self._addresses, *self._versions)

    @property
    def current(self) -> bool:
        """Whether no change was seen since."""
        held = chain.from_iterable(map(dict.values, self._filled))
        if any(self._empty) or [*map(id, held)] != self._held:
            return False
        if not self._plain:
            states = [*map(_state, self._tensors)]
            return states == [*zip(self._addresses, self._versions, strict=True)]
        try:
            same = [*map(Tensor.data_ptr, self._tensors)] == self._addresses
            return same and [*map(_COUNTED, self._tensors)] == self._versions
        except (RuntimeError, ValueError, NotImplementedError):
            return False  # a weight lost its memory


def _state(tensor: Tensor) -> tuple[int, int]:
    """Return a tensor's address and version."""
    try:
        return tensor.data_ptr(), tensor._version
    except (RuntimeError, ValueError, NotImplementedError):
        pass
    try:
        return tensor.data_ptr(), -1  # inference tensors count no versions
    except (RuntimeError, ValueError, NotImplementedError):
        return 0, -1  # lazy, meta and sparse tensors have no address
