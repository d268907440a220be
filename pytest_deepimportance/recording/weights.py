"""Does a module have the weights of the profile? Asked before every pass, so it must be cheap."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from pytest_deepimportance.models.fingerprint import fingerprint, weights_version

_SAMPLED = 16


class WeightSample:
    """A few values of every weight: enough to see that a training step changed them."""

    def __init__(self, model: nn.Module) -> None:
        self._values = dict(_samples(model))

    def differs(self, model: nn.Module) -> bool:
        """Whether `model` certainly has other weights; stops at the first difference."""
        seen = 0
        for name, value in _samples(model):
            if self._values.get(name) != value:
                return True
            seen += 1
        return seen != len(self._values)


class WeightsCheck:
    """Compares one module's weights with the profile's, again whenever they changed.

    Attributes:
        other: First eight digits of the first other fingerprint met, None so far. A training loop
            would give a new one at every step, so only the first is computed and named.
    """

    def __init__(self, expected: str) -> None:
        self.other: str | None = None
        self._expected = expected
        self._token: object = None
        self._matches = False
        self._looked_again = True

    def trust(self, model: nn.Module) -> None:
        """Take the weights as they are now for the profile's: they were compared just before."""
        self._token, self._matches = weights_version(model), True

    def look_again(self) -> None:
        """Compare a sample before the next pass: writes through `.data` leave no trace."""
        self._looked_again = False

    def matches(self, model: nn.Module, sample: WeightSample | None) -> bool:
        """Return whether `model` has the profile's weights now.

        Args:
            model: Always the same module.
            sample: Of a module that has them, None when no such module was met yet.
        """
        token = weights_version(model)
        if token != self._token:
            self._token = token
            self._looked_again = True
            self._compare(model, sample)
        elif not self._looked_again:
            self._looked_again = True
            if sample is None or self._matches == sample.differs(model):
                self._compare(model, sample)
        return self._matches

    def _compare(self, model: nn.Module, sample: WeightSample | None) -> None:
        if self.other is not None and sample is not None and sample.differs(model):
            self._matches = False
            return
        found = fingerprint(model)
        self._matches = found == self._expected
        if not self._matches and self.other is None:
            self.other = found[:8]


def _samples(model: nn.Module) -> Iterator[tuple[str, bytes]]:
    for prefix, module in model.named_modules():
        for name, tensor in itertools.chain(module._parameters.items(), module._buffers.items()):
            # Buffers that are not persistent are caches, and no part of the fingerprint.
            if tensor is None or name in module._non_persistent_buffers_set:
                continue
            has_data = tensor.layout is torch.strided and not tensor.is_meta and tensor.numel() > 0
            if tensor.is_floating_point() and has_data:
                yield f"{prefix}.{name}", _few(tensor)


def _few(tensor: Tensor) -> bytes:
    with torch.no_grad():
        row = tensor.detach()
        row = row[(0,) * (row.dim() - 1)][:_SAMPLED] if row.dim() else row.reshape(1)
        plain = row.cpu().contiguous().view(torch.uint8)
        return plain.numpy().tobytes()
