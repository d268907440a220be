"""Run a model once on very few rows to see what it does, and leave no trace of that."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.errors import BatchError, LayerError
from pytest_deepimportance.models.graph import Graph
from pytest_deepimportance.models.raised import forward_raised
from pytest_deepimportance.models.restore import evaluating
from pytest_deepimportance.models.tracing import trace

PROBE_ROWS = 2
_IMAGE_SIZES = (28, 32, 64, 96, 128, 224, 299, 256, 48, 16, 8)
_SIGNAL_LENGTHS = (16, 32, 64, 128, 256, 512, 1024, 4096, 16000)
_VOLUME_SIZES = (8, 16, 32, 64, 112)
_TOKENS = (16, 8, 4, 2, 1)
"""Lengths of a text that are tried: a model may know few positions."""


def probe(model: nn.Module, call: ModelCall, output: Callable[[Any], Any] | None = None) -> Graph:
    """Trace two rows of `call` (a single row is repeated), in eval mode, without gradients.

    A model that takes neither two rows nor one is tried on the whole call.

    Raises:
        BatchError: The callable `output` fails.
        LayerError: The forward raises on all of them, or parameters are not initialised yet,
            or the model is TorchScript.
    """
    _refuse_lazy(model)
    _refuse_scripted(model)
    first: Exception | None = None
    for attempt in _attempts(call):
        try:
            with untouched(model):
                return trace(model, _copied(attempt), output)
        except BatchError:
            raise  # the callable's, not the forward's
        except Exception as error:  # whatever the user's forward raises
            first = first or error
    assert first is not None
    why = "Layers are found by running two rows through the model."
    raise forward_raised(first, model, call, LayerError, why=why) from first


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Eval mode and no gradients inside; modes, buffers and random states as before after."""
    buffers = [(buffer, buffer.detach().clone()) for buffer in model.buffers()]
    devices = {t.device for t in [*model.parameters(), *model.buffers()] if t.is_cuda}
    python, numpy_state = random.getstate(), np.random.get_state()
    try:
        with (
            torch.random.fork_rng(devices=sorted(devices, key=str)),
            evaluating(model),
            torch.no_grad(),
        ):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy_state)
        with torch.no_grad():
            for buffer, before in buffers:
                if not torch.equal(buffer, before):
                    buffer.copy_(before)


def guess_call(model: nn.Module) -> ModelCall | None:
    """Return a call with random inputs that `model` accepts, guessed from its first layer.

    Returns:
        Two rows of noise (or of token numbers), None when no tried shape fits.
    """
    noise = torch.Generator().manual_seed(0)
    for module in model.modules():
        shapes = list(_shapes(module))
        for shape in shapes:
            call = _noise(model, module, shape, noise)
            if _accepts(model, call):
                return call
        if shapes:
            return None
    return None


def takes_tokens(model: nn.Module) -> bool:
    """Return whether the first layer looks up token numbers."""
    return isinstance(_leading(model), nn.Embedding)


def call_of_shape(model: nn.Module, shape: Sequence[int]) -> ModelCall:
    """Return two rows of noise of a given shape, of token numbers where the model takes them."""
    noise = torch.Generator().manual_seed(0)
    return _noise(model, _leading(model), (PROBE_ROWS, *shape), noise)


def _leading(model: nn.Module) -> nn.Module | None:
    return next((module for module in model.modules() if next(_shapes(module), None)), None)


def _noise(
    model: nn.Module, first: nn.Module | None, shape: Sequence[int], noise: torch.Generator
) -> ModelCall:
    if isinstance(first, nn.Embedding):
        x = torch.randint(first.num_embeddings, tuple(shape), generator=noise)
    else:
        x = torch.rand(tuple(shape), generator=noise).to(_dtype(model))
    return ModelCall((x.to(_device(model)),), {}, None, len(x))


def _shapes(module: nn.Module) -> Iterator[tuple[int, ...]]:
    if isinstance(module, (nn.Linear, nn.RNNBase)):
        width = module.in_features if isinstance(module, nn.Linear) else module.input_size
        side = round(width**0.5)
        yield from ((PROBE_ROWS, width), (PROBE_ROWS, _TOKENS[0], width))
        yield from ((PROBE_ROWS, 1, side, side),) if side * side == width else ()
    elif isinstance(module, (nn.Conv1d, nn.ConvTranspose1d)):
        yield from ((PROBE_ROWS, module.in_channels, n) for n in _SIGNAL_LENGTHS)
    elif isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        yield from ((PROBE_ROWS, module.in_channels, n, n) for n in _IMAGE_SIZES)
    elif isinstance(module, (nn.Conv3d, nn.ConvTranspose3d)):
        yield from ((PROBE_ROWS, module.in_channels, n, n, n) for n in _VOLUME_SIZES)
    elif isinstance(module, nn.Embedding):
        yield from ((PROBE_ROWS, n) for n in _TOKENS)


def _accepts(model: nn.Module, call: ModelCall) -> bool:
    try:
        with untouched(model):
            model(*call.args)
    except Exception:  # any refusal of the user's forward means: another shape
        return False
    return True


def _attempts(call: ModelCall) -> Iterator[ModelCall]:
    if call.rows == 1:
        yield call.select(torch.zeros(PROBE_ROWS, dtype=torch.int64))
    yield call.first_rows(PROBE_ROWS)
    if call.rows > PROBE_ROWS:
        yield call


def _copied(call: ModelCall) -> ModelCall:
    """Return the call on copies of its tensors: a forward may change its inputs in place."""

    def copy(value: Any) -> Any:
        if isinstance(value, Tensor):
            return value.detach().clone()
        if isinstance(value, list):
            return [copy(item) for item in value]
        return value

    kwargs = {name: copy(value) for name, value in call.kwargs.items()}
    return ModelCall(tuple(copy(value) for value in call.args), kwargs, None, call.rows)


def _device(model: nn.Module) -> torch.device:
    return next((t.device for t in model.parameters()), torch.device("cpu"))


def _dtype(model: nn.Module) -> torch.dtype:
    floating = (t.dtype for t in model.parameters() if t.is_floating_point())
    return next(floating, torch.get_default_dtype())


def _refuse_scripted(model: nn.Module) -> None:
    if isinstance(model, torch.jit.ScriptModule):
        kind = getattr(model, "original_name", type(model).__name__)
        raise LayerError(
            f"the model is TorchScript ({kind})",
            "Hooks never fire inside TorchScript, so none of its layers can be read.",
            "Give the eager module that it was made from, before torch.jit.script or trace.",
        )


def _refuse_lazy(model: nn.Module) -> None:
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if isinstance(tensor, (UninitializedParameter, UninitializedBuffer)):
            raise LayerError(
                f"the lazy parameter {name} of {type(model).__name__} has no shape yet",
                "It gets one in the first forward pass.",
                "Run model(batch) once, or load its weights, before measuring it.",
            )
