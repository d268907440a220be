"""How sure and how varied the predictions on a suite are."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.companions import Companions
from pytest_deepimportance.data.activations import UNKNOWN
from pytest_deepimportance.data.confidence import ENTROPY, GINI, MAX_SOFTMAX
from pytest_deepimportance.engine.rows import DistinctInputs, evenness


def companions(inputs: DistinctInputs, output_activation: str | None) -> Companions | None:
    """Return what stands beside the coverage of these inputs, None where there is no prediction.

    Args:
        output_activation: What the model ends in, as `SiteMap.output_activation` says.
    """
    known = inputs.predictions != UNKNOWN
    if not known.any():
        return None
    predicted = inputs.predictions[known]
    sure = inputs.confidence[known]
    sure = sure[np.isfinite(sure).all(axis=1)].astype(np.float64)
    entropy = _mean(sure[:, ENTROPY])
    return Companions(
        inputs=len(predicted),
        classes=inputs.scored,
        predicted_classes=len(np.unique(predicted)),
        impartiality=evenness(predicted, inputs.scored),
        confident_inputs=len(sure),
        max_softmax=_mean(sure[:, MAX_SOFTMAX]),
        entropy=entropy,
        entropy_normalised=_of_uniform(entropy, inputs.scored),
        gini=_mean(sure[:, GINI]),
        left_out="" if len(sure) else _why_unsure(output_activation),
    )


def _mean(values: NDArray[np.float64]) -> float | None:
    return float(values.mean()) if len(values) else None


def _of_uniform(entropy: float | None, classes: int) -> float | None:
    return None if entropy is None or classes < 2 else entropy / math.log(classes)


def _why_unsure(output_activation: str | None) -> str:
    if output_activation == "sigmoid":
        return "the model ends in a sigmoid: its scores are no distribution over classes"
    return "no scores were recorded with the predictions"
