"""Neuron boundary coverage: corners of neurons that inputs reach."""

from __future__ import annotations

from pytest_deepimportance.criteria.base import register
from pytest_deepimportance.criteria.corners import CornerCriterion
from pytest_deepimportance.statistics.bounds import Bounds
from pytest_deepimportance.statistics.moments import Moments


@register
class NeuronBoundaryCoverage(CornerCriterion):
    """NBC = (lower + upper corners reached) / (2 x neurons).

    Ma et al.: DeepGauge, ASE 2018, definition of NBCov.
    """

    name = "NBC"
    needs = ("bounds", "moments")
    options = ("nbc_sigma", "nbc_inclusive", "bounds_tolerance", "degenerate")

    def __init__(
        self,
        bounds: Bounds,
        moments: Moments,
        nbc_sigma: float = 0.0,
        nbc_inclusive: bool = False,
        bounds_tolerance: float = 1e-5,
        degenerate: str = "include",
    ) -> None:
        super().__init__(
            bounds,
            moments,
            sides=("low", "high"),
            sigma=nbc_sigma,
            inclusive=nbc_inclusive,
            tolerance=bounds_tolerance,
            degenerate=degenerate,
        )
