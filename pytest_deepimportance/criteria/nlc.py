"""NeuraL-Coverage: how widely, and how jointly, the neurons of each layer vary over the inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_deepimportance.criteria.base import Criterion, register
from pytest_deepimportance.criteria.bits import check_width
from pytest_deepimportance.criteria.plain import from_plain, to_plain
from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.results import CriterionRow
from pytest_deepimportance.statistics.spread import Spread

if TYPE_CHECKING:
    from typing import Self  # Python 3.11; never imported when the code runs


@register
class NeuralCoverage(Criterion):
    """NLC = sum over layers of (1 / U^2) x sum of |entries of the neurons' covariance|.

    Yuan, Pang, Wang: Revisiting Neuron Coverage for DNN Testing, ICSE 2023, section 4. The
    covariance is that of all rows together (the authors' own code updates it batch by batch and
    starts from 1, so its number depends on the batch size). Not a ratio, not bounded, and an input
    may lower it; rows count as often as they were recorded.

    Args:
        layers: Neurons of each layer.
    """

    name = "NLC"
    unit = "float"
    needs = ("layers",)
    breaks = ("monotone", "idempotent")

    def __init__(self, layers: Mapping[str, int]) -> None:
        super().__init__()
        self.layers = dict(layers)
        self._spreads = {name: Spread(width) for name, width in self.layers.items()}

    @torch.no_grad()
    def update(self, batch: ActivationBatch) -> None:
        """Take in the rows of one forward pass.

        Raises:
            LayerError: A layer has another number of neurons than in the reference.
        """
        for name, width in self.layers.items():
            if len(batch) and name in batch.layers:
                check_width(name, batch, width)
                self._spreads[name].add(batch.array(name))

    def merge(self, other: Self) -> None:
        """Take in the rows that `other` has seen."""
        for name, spread in self._spreads.items():
            spread.merge(other._spreads[name])

    def reset(self) -> None:
        """Forget everything seen."""
        self._spreads = {name: Spread(width) for name, width in self.layers.items()}

    def get_extra_state(self) -> dict[str, Any]:
        """Return rows or covariances as builtins and bytes, by layer."""
        return {name: to_plain(spread.to_arrays()) for name, spread in self._spreads.items()}

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Replace the state by one that `get_extra_state` returned."""
        self._spreads = {
            name: Spread.from_arrays(width, from_plain(state[name]))
            for name, width in self.layers.items()
        }

    def compute(self) -> tuple[CriterionRow, ...]:
        """Return the row over all layers, then one per layer."""
        rows = [self._row(name, spread) for name, spread in self._spreads.items()]
        seen = max((spread.rows for spread in self._spreads.values()), default=0)
        total = float(sum(row.covered for row in rows))
        return (CriterionRow(self.name, self.unit, total, details={"rows": seen}), *rows)

    def _row(self, name: str, spread: Spread) -> CriterionRow:
        covariance: NDArray[np.float64] = np.abs(spread.covariance())
        value = float(covariance.sum()) / self.layers[name] ** 2
        return CriterionRow(self.name, self.unit, value, layer=name, details={"rows": spread.rows})
