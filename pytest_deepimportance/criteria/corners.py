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
        self._limits = {
            "low": -(joined([bounds.low[name] for name in widths]) - margin),
            "high": joined([bounds.high[name] for name in widths]) + margin,
        }
        self._rounding, self._constant = allowed / 2, constant

    def _update_part(self, batch: ActivationBatch, present: Sequence[str]) -> None:
        for block in self.blocks(present):
            span, own = block.span, block_values(batch, block)
            reached = {"low": -own.low.astype(np.float64), "high": own.high.astype(np.float64)}
            room = self._rounding[span]
            seen, sure, possible = (
                np.stack(
                    [self._beyond(reached[s], self._limits[s][span] + shift) for s in self._sides],
                    axis=1,
                )
                for shift in (0.0, room, -room)
            )
            self.mark(span, seen, sure, possible)

    def _beyond(self, value: NDArray[np.float64], limit: NDArray[np.float64]) -> NDArray[np.bool_]:
        return np.asarray(value >= limit if self._inclusive else value > limit)

    def _pairs(self, name: str, batch: ActivationBatch) -> Pairs:
        values, span = batch.array(name).astype(np.float64), self.spans[name]
        reached = {"low": -values, "high": values}
        beyond = [self._beyond(reached[side], self._limits[side][span]) for side in self._sides]
        rows, neurons, sides = np.nonzero(np.stack(beyond, axis=2))
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
