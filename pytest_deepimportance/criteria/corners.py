"""What NBC and SNAC share: values beyond a neuron's reference bounds.

Ma et al.: DeepGauge, ASE 2018, section 3: the lower corner is (-inf, low), the upper (high, +inf);
the bounds may be widened by a multiple of the reference's standard deviation.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.criteria.bits import BitCriterion, Pairs
from pytest_deepimportance.criteria.neuron_blocks import block_values
from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.statistics.bounds import Bounds
from pytest_deepimportance.statistics.moments import Moments


class CornerCriterion(BitCriterion):
    """Corners of every neuron, widened by `sigma` deviations and the tolerance.

    Args:
        sides: "high", or "low" and "high"; one item each.
        inclusive: Touching a bound is enough.
        degenerate: "exclude" leaves constant neurons out.
    """

    def __init__(
        self,
        bounds: Bounds,
        moments: Moments,
        *,
        sides: tuple[str, ...],
        sigma: float,
        inclusive: bool,
        tolerance: float,
        degenerate: str,
    ) -> None:
        widths = {name: len(low) for name, low in bounds.low.items()}
        super().__init__(widths, len(sides))
        self._sides, self._inclusive, self._degenerate = sides, inclusive, degenerate
        constant = {name: bounds.constant(name) for name in widths}
        allowed = joined([bounds.tolerance(name, tolerance) for name in widths])
        # A constant neuron has deviation 0, whatever rounding left of it.
        deviation = [np.where(constant[n], 0.0, moments.layers[n].deviation) for n in widths]
        margin = sigma * joined(deviation) + allowed
        # The lower corner is the upper one of the negated neuron.
        limits = {
            "low": -(joined([bounds.low[name] for name in widths]) - margin),
            "high": joined([bounds.high[name] for name in widths]) + margin,
        }
        own = np.stack([limits[side] for side in sides], axis=1)
        room = allowed[:, None] / 2
        self._limits = np.stack([own, own + room, own - room])  # of seen, sure and possible
        self._constant = constant

    def _update_part(self, batch: ActivationBatch, present: Sequence[str]) -> None:
        for block in self.blocks(present):
            own = block_values(batch, block)
            reached = self._reached(own.low, own.high)
            self.mark(block.span, *self._beyond(reached, self._limits[:, block.span]))

    def _reached(
        self, low: NDArray[np.floating], high: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """Return how far values go on each side, (..., sides); the lower one negated."""
        found = {"low": -low.astype(np.float64), "high": high.astype(np.float64)}
        return np.stack([found[side] for side in self._sides], axis=-1)

    def _beyond(
        self, reached: NDArray[np.float64], limits: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        return np.asarray(reached >= limits if self._inclusive else reached > limits)

    def _pairs(self, name: str, batch: ActivationBatch) -> Pairs:
        values = batch.array(name)
        limits = self._limits[0, self.spans[name]]
        rows, neurons, sides = np.nonzero(self._beyond(self._reached(values, values), limits))
        return rows, neurons, sides

    def counted(self, name: str) -> NDArray[np.bool_] | None:
        """Leave constant neurons out where that is asked for."""
        return ~self._constant[name] if self._degenerate == "exclude" else None

    def details(self, name: str) -> dict[str, int]:
        """Count the neurons that are constant in the reference."""
        return {"degenerate_neurons": int(self._constant[name].sum())}


def joined(parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the values of all layers' neurons, one layer after another."""
    return np.concatenate([np.empty(0), *parts])
