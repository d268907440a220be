"""Run a model without touching it: detached parameters, copied buffers, random state put back."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pytest_deepimportance.attribution.memory_errors import is_out_of_memory
from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.errors import ForwardError, IdcError
from pytest_deepimportance.models.raised import forward_raised
from pytest_deepimportance.models.restore import evaluating


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Eval mode inside; modes and random states as before afterwards, also after an exception.

    Random numbers that a forward draws are the same in every pass that begins here.
    """
    devices = {t.device for t in (*model.parameters(), *model.buffers()) if t.is_cuda}
    python, numpy_state = random.getstate(), np.random.get_state()
    try:
        with (
            torch.random.fork_rng(devices=sorted(devices, key=str)),
            evaluating(model),
            _eager(),
            # A caller may be in inference mode, whose tensors know no gradients.
            torch.inference_mode(False),
            torch.enable_grad(),
        ):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy_state)


def _eager() -> AbstractContextManager[Any]:
    """Run what `torch.compile` compiled as the Python that it was: hooks and modes need that."""
    if "torch._dynamo" not in sys.modules or not hasattr(torch.compiler, "set_stance"):
        return nullcontext()
    stance: AbstractContextManager[Any] = torch.compiler.set_stance("force_eager")
    return stance


def device_of(model: nn.Module, call: ModelCall) -> torch.device:
    """Return where the model's parameters (or else the inputs) are."""
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    values = (*call.args, *call.kwargs.values())
    return next((v.device for v in values if isinstance(v, Tensor)), torch.device("cpu"))


def run_model(model: nn.Module, call: ModelCall) -> Any:
    """Call the model with its parameters detached and its buffers copied.

    The user's module keeps its own: neither `requires_grad` nor a buffer that the forward writes
    changes.

    Raises:
        ForwardError: The forward raised; not where memory ran out, which has its own remedy.
    """
    state = {name: _detached(tensor) for name, tensor in model.named_parameters()}
    state |= {name: tensor.detach().clone() for name, tensor in model.named_buffers()}
    try:
        with _flat_weights_kept(model):
            return torch.func.functional_call(model, state, call.args, call.kwargs)
    except IdcError:
        raise
    except Exception as error:  # whatever the user's forward raises
        if is_out_of_memory(error):
            raise
        raise forward_raised(error, model, call, ForwardError) from error


def copies_kept(model: nn.Module) -> AbstractContextManager[Any]:
    """Let autograd keep copies, so that the forward may overwrite what the backward needs.

    torch's own `allow_mutation_on_saved_tensors` misses writes through views (2.14: `y[:, 1:3]
    += 1` after a relu changes the gradient of the relu).
    """
    weights = {tensor.untyped_storage().data_ptr() for tensor in model.parameters()}

    def pack(tensor: Tensor) -> Tensor:
        kept = tensor.detach()
        return kept if kept.untyped_storage().data_ptr() in weights else kept.clone()

    return torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)


def is_overwritten(error: BaseException | None) -> bool:
    """Whether autograd says that the forward wrote into what the backward pass needs."""
    return error is not None and "modified by an inplace operation" in str(error)


@contextmanager
def _flat_weights_kept(model: nn.Module) -> Iterator[None]:
    """Give recurrent layers their own weights back.

    They keep a second list of them, in which `functional_call` leaves the ones that it was given:
    the user's next training step would not reach the parameters.
    """
    layers = [module for module in model.modules() if isinstance(module, nn.RNNBase)]
    before = [(layer, list(layer._flat_weights)) for layer in layers]
    try:
        yield
    finally:
        for layer, weights in before:
            layer._flat_weights[:] = weights


def _detached(tensor: Tensor) -> Tensor:
    # autograd cannot save a tensor that was made in inference mode.
    return tensor.detach().clone() if tensor.is_inference() else tensor.detach()
