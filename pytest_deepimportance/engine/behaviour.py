"""Telling a model whose code changed from the one a cached profile was made with.

A fingerprint covers weights and structure, not code: an edited `forward`, a helper function or a
constant of a class give other activations under the same fingerprint. So the cache keeps what the
model answered on a few reference rows, and asks again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.data.outputs import class_scores
from pytest_deepimportance.data.reference import Reference
from pytest_deepimportance.models.restore import evaluating

ROWS = 8
"""Reference rows that are asked for."""


def answers(
    model: nn.Module, reference: Reference, output: Any = None
) -> NDArray[np.float64] | None:
    """Return the class scores of the first reference rows in eval mode, (N, C), N up to `ROWS`.

    None where they could not be compared with those of another process: the reference has no
    identity beyond this run, is augmented or can be read only once, two readings or two answers
    differ, or the model cannot answer at all (the build then says why).
    """
    if reference.fingerprint is None or reference.augmented or not reference.reiterable:
        return None
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    try:
        with evaluating(model), torch.no_grad(), torch.random.fork_rng(devices=[]):
            first, again = (_scores(model, _few(reference).to(device), output) for _ in range(2))
    except Exception:
        return None
    return first if first is not None and np.array_equal(first, again, equal_nan=True) else None


def _few(reference: Reference) -> ModelCall:
    return next(call for call in reference.batches(ROWS) if call.rows).first_rows(ROWS)


def _scores(model: nn.Module, call: ModelCall, output: Any) -> Any:
    found = class_scores(model(*call.args, **call.kwargs), output)
    return None if found is None else found.double().cpu().numpy()
