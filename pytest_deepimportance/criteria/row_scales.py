"""What NC scales the values of a layer by, row by row, found out as far as it is needed.

The smallest value of a row is dear where nobody has taken it yet, and where no value of the layer
is below 0 it is hardly ever asked for: with the smallest of all rows in its place, the values that
could be active are few.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.criteria.ranking import most_active
from pytest_deepimportance.data.activations import ActivationBatch

Rows = NDArray[np.floating]


@dataclass
class RowScale:
    """The extremes of each row of a layer, (N,).

    Attributes:
        high: The largest of each.
        low: The smallest of each; None while only `lowest` is known.
        lowest: None of them is below; 0 or more where `low` is None.
    """

    high: Rows
    low: Rows | None
    lowest: float = 0.0

    @classmethod
    def of(cls, batch: ActivationBatch, name: str, scale: str, lowest: float) -> RowScale:
        """Return the scale of a layer's rows.

        Args:
            scale: The setting `nc_scale`.
            lowest: The smallest value of the layer's neurons.
        """
        if scale == "none":
            return cls(np.ones(len(batch)), np.zeros(len(batch)))
        known = batch.unreduced(name) if scale == "map" else None
        if known is not None:
            return cls(high=known[1], low=known[0])
        high = most_active(batch, name, 1)[1][:, 0]
        return cls(high, None if lowest >= 0 else batch.view(name).min(axis=1), lowest)

    @property
    def magnitude(self) -> float:
        """The largest number that the scaling of any row has to do with."""
        high = self.high.astype(np.float64)
        if self.low is None:
            return float(high.max())
        low = self.low.astype(np.float64)
        return float(np.maximum(np.maximum(np.abs(low), np.abs(high)), high - low).max())

    def limits(self, threshold: float) -> NDArray[np.float64]:
        """Return what a value of each row must be above to be active, or less than that, (N,)."""
        high = self.high.astype(np.float64)
        if self.low is None:
            return self.lowest + threshold * (high - self.lowest)
        low = self.low.astype(np.float64)
        # Scaled values above t are those above low + t (high - low): one comparison a value.
        return np.where(high > low, low + threshold * (high - low), np.inf)
