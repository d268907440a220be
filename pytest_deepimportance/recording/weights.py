"""Does a module have the weights of the profile? Asked before every pass, so it must be cheap."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from pytest_deepimportance.errors import RecordingError
from pytest_deepimportance.models.fingerprint import fingerprint
from pytest_deepimportance.models.versions import ModelVersion

_SAMPLED = 16

Places = tuple[list[memoryview], bytes]
"""Memory that holds the first values of every weight, and these values one after another."""


class WeightSample:
    """A few values of every weight: enough to see that a training step changed them."""

    def __init__(self, model: nn.Module) -> None:
        # Copies: what a training step changes next is not to change the sample.
        self._rows = {name: _few(tensor).clone() for name, tensor in _weights(model)}
        self._values = {name: _bytes(tensor) for name, tensor in _weights(model)}

    def places(self, model: nn.Module) -> Places | None:
        """Return where a model that does not differ holds the sample, and what stands there.

        None where a weight cannot be read in place. Good as long as its `ModelVersion` is current.
        """
        views, known = [], []
        for name, tensor in _weights(model):
            size = _size_in_place(tensor)
            if size is None:
                return None
            place = (ctypes.c_ubyte * size).from_address(tensor.data_ptr())
            views.append(memoryview(place).cast("B"))
            known.append(self._values[name])
        return views, b"".join(known)

    def differs(self, model: nn.Module) -> bool:
        """Whether `model` certainly has other weights; stops at the first difference."""
        seen = 0
        for name, tensor in _weights(model):
            if self._values.get(name) != _bytes(tensor):
                return True
            seen += 1
        return seen != len(self._values)

    def precisions(self, model: nn.Module) -> tuple[str, str] | None:
        """Return the precision of these weights and that of `model`, if nothing else differs.

        As for a copy made by `.half()`, as far as the sample shows; None otherwise.
        """
        pairs = [(self._rows.get(name), _few(tensor)) for name, tensor in _weights(model)]
        if len(pairs) != len(self._rows) or not all(_same_rounded(*pair) for pair in pairs):
            return None
        changed = [(own, row) for own, row in pairs if own is not None and own.dtype != row.dtype]
        return (_name(changed[0][0]), _name(changed[0][1])) if changed else None


def _same_rounded(own: Tensor | None, row: Tensor) -> bool:
    """Whether one row is the other, rounded to its precision."""
    if own is None or own.shape != row.shape:
        return False
    return torch.allclose(own.to(row.dtype), row, rtol=0, atol=0, equal_nan=True) or (
        torch.allclose(row.to(own.dtype), own, rtol=0, atol=0, equal_nan=True)
    )


def _name(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


class WeightsCheck:
    """Compares one module's weights with the profile's, again whenever they changed.

    Attributes:
        other: First eight digits of the first other fingerprint met, None so far. A training loop
            would give a new one at every step, so only the first is computed and named.
        precisions: The profile's precision and that of the first other weights, where nothing else
            differed.
    """

    def __init__(self, expected: str) -> None:
        self.other: str | None = None
        self.precisions: tuple[str, str] | None = None
        self._expected = expected
        self._token: object = None
        self._version: ModelVersion | None = None
        self._matches = False
        self._looked_again = True
        self._differed: bool | None = None
        self._places: Places | None = None

    def trust(self, model: nn.Module) -> None:
        """Take the weights as they are now for the profile's: they were compared just before."""
        self._renew(model)
        self._matches, self._differed = True, False

    def look_again(self) -> None:
        """Compare a sample before the next pass, also where it cannot be read in place."""
        self._looked_again = False

    def matches(self, model: nn.Module, sample: WeightSample | None) -> bool:
        """Return whether `model` has the profile's weights now.

        Args:
            model: Always the same module.
            sample: Of a module that has them, None when no such module was met yet.
        """
        changed = (self._version is None or not self._version.current) and self._renew(model)
        # Writes through `.data` and numpy leave no trace in the version, but often in the sample.
        look = self._places is not None or not self._looked_again
        self._looked_again = True
        if changed or (look and (sample is None or self._differs(model, sample) != self._differed)):
            self._compare(model, sample)
        return self._matches

    @property
    def parts(self) -> tuple[nn.Module, ...]:
        """All modules below the model, as it was when last asked for its weights."""
        return () if self._version is None else self._version.parts

    @property
    def structure(self) -> tuple[int, ...]:
        """Their identities."""
        return () if self._version is None else self._version.structure

    def let_go(self) -> None:
        """Keep nothing of the model alive; what was found out is kept."""
        self._version = None

    def _renew(self, model: nn.Module) -> bool:
        """Take the model as it is now; return whether that is another version than before."""
        self._version = ModelVersion(model)
        if self._version.token == self._token:
            return False
        self._token, self._places = self._version.token, None
        return True

    def _differs(self, model: nn.Module, sample: WeightSample) -> bool:
        if self._places is not None:
            views, known = self._places
            if b"".join(views) == known:
                return False
        differs = sample.differs(model)
        self._places = None if differs else sample.places(model)
        return differs

    def cause(self, which: str) -> str:
        """Say that passes of a module (`which`) are not recorded for want of equal weights."""
        text = f"passes of {which} with other weights"
        if self.precisions is None:
            return f"{text} (fingerprint {self.other}, the profile's is {self._expected[:8]})"
        own, met = self.precisions
        return (
            f"{text}: the profile's, but in {met} instead of {own}, so its values differ; run it "
            f"in {own}, or build a profile of the model in {met}"
        )

    def _compare(self, model: nn.Module, sample: WeightSample | None) -> None:
        self._differed = None if sample is None else self._differs(model, sample)
        if self.other is not None and self._differed:
            self._matches = False
            return
        found = fingerprint(model)
        self._matches = found == self._expected
        if self._matches:
            self._differed = False
        elif self.other is None:
            self.other = found[:8]
            self.precisions = None if sample is None else sample.precisions(model)


def refuse_other(module: nn.Module, expected: str, sample: WeightSample | None) -> None:
    """Refuse a module with other weights than the profile's.

    Args:
        expected: The profile's fingerprint.
        sample: Of a module that has the profile's weights, if one was met.

    Raises:
        RecordingError: It has other weights.
    """
    found, name = fingerprint(module), type(module).__name__
    if found == expected:
        return
    precisions = None if sample is None else sample.precisions(module)
    if precisions is not None:
        own, met = precisions
        raise RecordingError(
            f"this {name} is in {met}, the profile's model in {own}",
            "Its values are rounded otherwise, so its neurons are not those of the profile.",
            f"Watch it in {own}, or build a profile of the model in {met}.",
        )
    raise RecordingError(
        f"this {name} has other weights than the profile's model "
        f"(fingerprint {found[:8]}, the profile's is {expected[:8]})",
        "What it does cannot be compared with the reference.",
        "Load the profiled weights into it, or build a profile for it.",
    )


def _weights(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    for prefix, module in model.named_modules():
        for name, tensor in itertools.chain(module._parameters.items(), module._buffers.items()):
            # Buffers that are not persistent are caches, and no part of the fingerprint.
            if tensor is None or name in module._non_persistent_buffers_set:
                continue
            has_data = tensor.layout is torch.strided and not tensor.is_meta and tensor.numel() > 0
            if tensor.is_floating_point() and has_data:
                yield f"{prefix}.{name}", tensor


def _few(tensor: Tensor) -> Tensor:
    """Return the first values of a weight's first row, on the CPU."""
    row = tensor.detach()
    row = row[(0,) * (row.dim() - 1)][:_SAMPLED] if row.dim() else row.reshape(1)
    return row.cpu().contiguous()


def _bytes(tensor: Tensor) -> bytes:
    """Return the bytes of these values."""
    size = _size_in_place(tensor)
    if size is not None:
        # Read where they lie: ten operations of torch for each weight would be most of the check.
        return ctypes.string_at(tensor.data_ptr(), size)
    return _few(tensor).view(torch.uint8).numpy().tobytes()


def _size_in_place(tensor: Tensor) -> int | None:
    """Return how many bytes of a weight are looked at, None where they do not lie in a row here."""
    plain = type(tensor) in (Tensor, nn.Parameter) and tensor.dim() > 0
    if plain and tensor.device.type == "cpu" and tensor.is_contiguous():
        return min(tensor.shape[-1], _SAMPLED) * tensor.element_size()
    return None
