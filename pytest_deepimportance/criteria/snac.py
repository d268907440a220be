"""Strong neuron activation coverage: neurons that inputs drive beyond their reference maximum."""

from __future__ import annotations

from pytest_deepimportance.criteria.base import register
from pytest_deepimportance.criteria.corners import CornerCriterion
from pytest_deepimportance.statistics.bounds import Bounds
from pytest_deepimportance.statistics.moments import Moments


@register
class StrongNeuronActivationCoverage(CornerCriterion):
    """SNAC = upper corners reached / neurons.

    Ma et al.: DeepGauge, ASE 2018, definition of SNACov.
    """

    name = "SNAC"
    needs = ("bounds", "moments")
    options = ("snac_sigma", "snac_inclusive", "bounds_tolerance", "degenerate")

    def __init__(
        self,
        bounds: Bounds,
        moments: Moments,
        snac_sigma: float = 0.0,
        snac_inclusive: bool = False,
        bounds_tolerance: float = 1e-5,
        degenerate: str = "include",
    ) -> None:
        super().__init__(
            bounds,
            moments,
            sides=("high",),
            sigma=snac_sigma,
            inclusive=snac_inclusive,
            tolerance=bounds_tolerance,
            degenerate=degenerate,
        )
