"""Thin ice: how often the model errs where the reference shows its behaviour rarely."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.companions import RarityRow, ThinIce
from pytest_deepimportance.data.activations import UNKNOWN
from pytest_deepimportance.data.confidence import MAX_SOFTMAX
from pytest_deepimportance.engine.rows import DistinctInputs

BOUNDS = (0, 1, 10, 100, 1000)
"""Least number of reference rows of each cell of the table."""

RARE_BELOW = 10


def thin_ice(inputs: DistinctInputs, occurrences: NDArray[np.int64]) -> ThinIce | None:
    """Return the errors of labelled inputs by rarity, None where no input has label and prediction.

    Args:
        occurrences: For each input the reference rows of its combination, -1 where it has none
            (its pass did not visit the layer), (N,).
    """
    judged = (inputs.labels != UNKNOWN) & (inputs.predictions != UNKNOWN) & (occurrences >= 0)
    if not judged.any():
        return None
    wrong = inputs.labels[judged] != inputs.predictions[judged]
    often = occurrences[judged]
    rare = often < RARE_BELOW
    cells = np.searchsorted(BOUNDS, often, side="right") - 1
    return ThinIce(
        rows=tuple(
            RarityRow(
                least=least,
                most=BOUNDS[at + 1] - 1 if at + 1 < len(BOUNDS) else None,
                inputs=int((cells == at).sum()),
                errors=int(wrong[cells == at].sum()),
            )
            for at, least in enumerate(BOUNDS)
        ),
        inputs=len(wrong),
        errors=int(wrong.sum()),
        rare_below=RARE_BELOW,
        rare_inputs=int(rare.sum()),
        rare_errors=int(wrong[rare].sum()),
        unsure_errors=_errors_of_least_sure(
            inputs.confidence[judged, MAX_SOFTMAX], wrong, int(rare.sum())
        ),
    )


def _errors_of_least_sure(
    sure: NDArray[np.float32], wrong: NDArray[np.bool_], number: int
) -> int | None:
    """Return the errors among the `number` inputs of the lowest confidence, None if not known."""
    if np.isnan(sure).any():
        return None
    return int(wrong[np.argsort(sure, kind="stable")[:number]].sum())
