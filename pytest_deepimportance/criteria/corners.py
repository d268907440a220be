"""What NBC and SNAC share: values beyond a neuron's reference bounds.

Ma et al.: DeepGauge, ASE 2018, section 3: the lower corner is (-inf, low), the upper (high, +inf);
the bounds may be widened by a multiple of the reference's standard deviation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.criteria.bits import BitCriterion, extremes
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
        self._constant = {name: bounds.constant(name) for name in widths}
        self._limits: dict[str, dict[str, NDArray[np.float64]]] = {}
        self._rounding: dict[str, NDArray[np.float64]] = {}
        for name in widths:
            allowed = bounds.tolerance(name, tolerance)
            # A constant neuron has deviation 0, whatever rounding left of it.
            widened = np.where(self._constant[name], 0.0, moments.layers[name].deviation)
            margin = sigma * widened + allowed
            self._limits[name] = {
                "low": -(bounds.low[name] - margin),
                "high": bounds.high[name] + margin,
            }
            self._rounding[name] = allowed / 2

    def _update_layer(self, name: str, batch: ActivationBatch) -> None:
        low, high = extremes(batch, name)
        # The lower corner is the upper one of the negated neuron.
        reached = {"low": -low.astype(np.float64), "high": high.astype(np.float64)}
        room = self._rounding[name]
        seen, sure, possible = (
            np.stack(
                [self._beyond(reached[s], self._limits[name][s] + shift) for s in self._sides],
                axis=1,
            )
            for shift in (0.0, room, -room)
        )
        self.mark(name, seen, sure, possible)

    def _beyond(self, value: NDArray[np.float64], limit: NDArray[np.float64]) -> NDArray[np.bool_]:
        return np.asarray(value >= limit if self._inclusive else value > limit)

    def counted(self, name: str) -> NDArray[np.bool_] | None:
        """Leave constant neurons out where that is asked for."""
        return ~self._constant[name] if self._degenerate == "exclude" else None

    def details(self, name: str) -> dict[str, int]:
        """Count the neurons that are constant in the reference."""
        return {"degenerate_neurons": int(self._constant[name].sum())}
