"""Top-k neuron coverage: neurons that are among the most active of their layer for some input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pytest_deepimportance.criteria.base import register
from pytest_deepimportance.criteria.bits import BitCriterion, Pairs
from pytest_deepimportance.criteria.ranking import close_calls, most_active, rounding
from pytest_deepimportance.data.activations import ActivationBatch


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
        for name in present:
            if not self.bitmap("sure")[self.spans[name]].all():  # else nothing is left to find
                self._update_layer(name, batch)

    def _update_layer(self, name: str, batch: ActivationBatch) -> None:
        ranks = most_active(batch, name, self._k + 1)
        neurons, values = ranks[0][:, : self._k], ranks[1][:, : self._k]
        close = close_calls(ranks, self._k, self._tolerance / 10)
        seen, sure, possible = np.zeros((3, self.layers[name]), dtype=bool)
        if not len(close):
            seen[neurons[values > 0] if self._positive else neurons.reshape(-1)] = True
            self.mark(self.spans[name], *[seen[:, None]] * 3)
            return
        counts = values > 0 if self._positive else np.ones_like(neurons, dtype=bool)
        clear = counts.copy()
        clear[close] = False
        seen[neurons[counts]] = True
        sure[neurons[clear]] = True
        possible |= seen
        for row in close.tolist():
            everything = batch.array(name)[row]
            room = rounding(
                (ranks[0][row : row + 1], ranks[1][row : row + 1]), self._tolerance / 10
            )
            top = neurons[row][counts[row]]
            sure[top[everything[top] > ranks[1][row, self._k] + room]] = True
            possible |= everything >= ranks[1][row, self._k - 1] - room
        self.mark(self.spans[name], seen[:, None], sure[:, None], (possible | seen)[:, None])

    def _pairs(self, name: str, batch: ActivationBatch) -> Pairs:
        neurons, values = most_active(batch, name, self._k)
        chosen = values > 0 if self._positive else np.ones_like(neurons, dtype=bool)
        rows = np.nonzero(chosen)[0]
        return rows, neurons[chosen], np.zeros_like(rows)

    def remarks(self) -> dict[str, Any]:
        """Name the layers that any input covers."""
        narrow = [name for name, width in self.layers.items() if width <= self._k]
        return {"k": self._k, "narrow_layers": narrow}
