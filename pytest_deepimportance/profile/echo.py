"""What a model answers on made-up inputs, kept in its profile.

A fingerprint covers weights and structure, not code: an edited `forward` or a constant of a class
gives other activations under the same fingerprint. A portable profile comes without reference data,
so it carries a few answers on inputs that anybody can make again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.data.outputs import class_scores
from pytest_deepimportance.models.restore import evaluating

_ROWS = 4
_RELATIVE = 1e-3
"""Devices and libraries differ by less, other code by more."""


@dataclass(frozen=True)
class Echo:
    """Answers on uniform random inputs from a fixed seed.

    Attributes:
        shape: Shape of one input.
        scores: Class scores of each input, (N, C).
    """

    shape: tuple[int, ...]
    scores: tuple[tuple[float, ...], ...]


def listen(model: nn.Module, call: ModelCall, output: Any = None) -> Echo | None:
    """Return the model's echo, or None where it has none that could be compared.

    It has none when it does not take a single floating tensor, cannot answer such inputs, or does
    not answer the same twice.

    Args:
        call: Any call of the model: says what an input looks like.
    """
    first = call.args[0] if len(call.args) == 1 and not call.kwargs else None
    if not isinstance(first, Tensor) or not first.is_floating_point():
        return None
    shape = tuple(first.shape[1:])
    scores, again = (_scores(model, shape, output) for _ in range(2))
    if scores is None or again is None or not np.isfinite(scores).all():
        return None
    if not np.array_equal(scores, again):
        return None
    return Echo(shape, tuple(tuple(float(value) for value in row) for row in scores))


def answers_alike(echo: Echo, model: nn.Module, output: Any = None) -> bool:
    """Return whether `model` answers as the profile's model did."""
    found = _scores(model, echo.shape, output)
    wanted = np.asarray(echo.scores)
    if found is None or found.shape != wanted.shape:
        return False
    scale = float(np.abs(wanted).max(initial=0.0))
    return bool(np.allclose(found, wanted, rtol=_RELATIVE, atol=_RELATIVE * scale))


def _scores(model: nn.Module, shape: tuple[int, ...], output: Any) -> NDArray[np.float64] | None:
    parameter = next((p for p in model.parameters() if p.is_floating_point()), None)
    made = torch.from_numpy(np.random.default_rng(0).random((_ROWS, *shape)))
    inputs = made.float() if parameter is None else made.to(parameter.device, parameter.dtype)
    try:
        with evaluating(model), torch.no_grad(), torch.random.fork_rng(devices=[]):
            scores = class_scores(model(inputs), output)
    except Exception:
        return None
    return None if scores is None else scores.double().cpu().numpy()
