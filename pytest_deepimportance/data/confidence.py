"""How sure a model is of each row, from its class scores: a few operations on (N, C) numbers."""

from __future__ import annotations

import torch
from torch import Tensor

LOGITS, PROBABILITIES, EITHER, NEITHER = "logits", "probabilities", "either", "neither"
"""What class scores are: `EITHER` is decided row by row, `NEITHER` are no distribution."""

MAX_SOFTMAX, ENTROPY, GINI = 0, 1, 2
"""Columns of `confidence`."""

_SUM_TO_ONE = 1e-3


def scale_of(output_activation: str | None, adapted: bool) -> str:
    """Return what a model's class scores are.

    Args:
        output_activation: What the model ends in, as `SiteMap.output_activation` says. Scores after
            a log-softmax are logits too: a softmax gives back the same distribution.
        adapted: Whether the callable of setting `output` makes the scores: it may return either.
    """
    if adapted:
        return EITHER
    return {"softmax": PROBABILITIES, "sigmoid": NEITHER}.get(output_activation or "", LOGITS)


def confidence(scores: Tensor, scale: str) -> Tensor | None:
    """Return for each row its largest probability, its entropy and its Gini impurity, (N, 3).

    With p the softmax of the scores: max p, -sum p ln p (nats), and 1 - sum p**2, the score that
    DeepGini ranks inputs by (Feng et al., ISSTA 2020). Rows with NaN or infinity give NaN. Nothing
    leaves the device of the scores.

    Args:
        scores: Class scores, (N, C).
        scale: One of the constants above; None is returned for `NEITHER`.
    """
    if scale == NEITHER:
        return None
    scores = scores.float()
    p = scores if scale == PROBABILITIES else _softmax(scores)
    if scale == EITHER:
        p = torch.where(_is_distribution(scores).unsqueeze(1), scores, p)
    entropy = torch.special.entr(p).sum(dim=1)
    return torch.stack([p.amax(dim=1), entropy, 1 - (p * p).sum(dim=1)], dim=1)


def _softmax(scores: Tensor) -> Tensor:
    # For ten classes three times as fast as torch.softmax, which is made for long rows.
    powers = (scores - scores.amax(dim=1, keepdim=True)).exp_()
    return powers.div_(powers.sum(dim=1, keepdim=True))


def _is_distribution(scores: Tensor) -> Tensor:
    return (scores >= 0).all(dim=1) & ((scores.sum(dim=1) - 1).abs() < _SUM_TO_ONE)
