"""Top-k neuron coverage: neurons that are among the most active of their layer for some input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.criteria.base import register
from pytest_deepimportance.criteria.bits import BitCriterion, Pairs
from pytest_deepimportance.criteria.ranking import close_calls, most_active, rounding
from pytest_deepimportance.data.activations import ActivationBatch

Flags = NDArray[np.bool_]


@register
class TopKNeuronCoverage(BitCriterion):
    """TKNC = neurons once among the k most active of their layer / neurons.

    Ma et al.: DeepGauge, ASE 2018, definition of TKNCov. Equal values: the lowest index first.

    Args:
        layers: Neurons of each layer.
        tknc_k: How many neurons of a layer count as most active; a layer of at most so many is
            covered by any input.
        tknc_positive: A neuron at or below 0 is never among the most active.
        bounds_tolerance: Decides how close two values must be to be in doubt.
    """

    name = "TKNC"
    needs = ("layers",)
    names_untouched = True
    options = ("tknc_k", "tknc_positive", "bounds_tolerance")

    def __init__(
        self,
        layers: Mapping[str, int],
        tknc_k: int = 3,
        tknc_positive: bool = False,
        bounds_tolerance: float = 1e-5,
    ) -> None:
        super().__init__(layers)
        self._k, self._positive, self._tolerance = tknc_k, tknc_positive, bounds_tolerance

    def _update_part(self, batch: ActivationBatch, present: Sequence[str]) -> None:
        marks = np.zeros((3, len(self.seen)), dtype=bool)
        for name in present:
            if not self.bitmap("sure")[self.spans[name]].all():  # else nothing is left to find
                self._find(name, batch, *marks[:, self.spans[name]])
        self.mark(slice(None), *marks[:, :, None])

    def _find(
        self, name: str, batch: ActivationBatch, seen: Flags, sure: Flags, possible: Flags
    ) -> None:
        """Mark the neurons of a layer, (U,) each."""
        ranks = most_active(batch, name, self._k + 1)
        neurons, values = ranks[0][:, : self._k], ranks[1][:, : self._k]
        close = close_calls(ranks, self._k, self._tolerance / 10)
        counts = values > 0 if self._positive else None
        rows = _rows_with(neurons, counts, len(seen))
        seen |= rows > 0
        possible |= seen
        if not len(close):
            sure |= seen
            return
        unclear = _rows_with(neurons[close], None if counts is None else counts[close], len(seen))
        sure |= rows > unclear
        for row in close.tolist():
            everything = batch.view(name)[row]
            room = rounding(
                (ranks[0][row : row + 1], ranks[1][row : row + 1]), self._tolerance / 10
            )
            top = neurons[row] if counts is None else neurons[row][counts[row]]
            sure[top[everything[top] > ranks[1][row, self._k] + room]] = True
            possible |= everything >= ranks[1][row, self._k - 1] - room

    def _pairs(self, name: str, batch: ActivationBatch) -> Pairs:
        neurons, values = most_active(batch, name, self._k)
        chosen = values > 0 if self._positive else np.ones_like(neurons, dtype=bool)
        rows = np.nonzero(chosen)[0]
        return rows, neurons[chosen], np.zeros_like(rows)

    def remarks(self) -> dict[str, Any]:
        """Name the layers that any input covers."""
        narrow = [name for name, width in self.layers.items() if width <= self._k]
        return {"k": self._k, "narrow_layers": narrow}


def _rows_with(neurons: NDArray[np.int64], counts: Flags | None, width: int) -> NDArray[np.int64]:
    """Return in how many rows each neuron is, (U,).

    Args:
        neurons: Of each row, (N, k).
        counts: Which of them count, (N, k); None: all.
    """
    chosen = neurons.T.reshape(-1) if counts is None else neurons[counts]
    return np.bincount(chosen, minlength=width)
