"""What must be said of scores: rows left out, nothing found, relevance that got lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.attribution.base import AttributionBatch
from pytest_deepimportance.errors import AttributionError
from pytest_deepimportance.formatting import plural

LARGEST_IMBALANCE = 1e-3
"""Relevance that is unaccounted for above this share of the target is said."""


@dataclass
class Outcome:
    """Counts the rows that gave relevance.

    Attributes:
        accounted: Whether every batch keeps accounts, which know of targets that are not finite.
    """

    accounted: bool
    rows: int = 0
    used: int = 0

    def add(self, batch: AttributionBatch, rows: int) -> None:
        """Take in a batch of `rows` rows."""
        self.rows += rows
        usable = int(batch.activations.finite().sum())
        self.used += min(usable, batch.conservation.rows) if self.accounted else usable

    def check(self) -> None:
        """Refuse scores of nothing.

        Raises:
            AttributionError: No row is usable.
        """
        if not self.used:
            raise AttributionError(
                f"none of {plural(self.rows, 'input')} gives relevance: activations or target are "
                "NaN or infinite",
                "Scores of nothing would be zeros, and read as if no neuron mattered.",
                "Check the inputs, the weights, and what the target returns.",
            )

    def notes(
        self, method: str, scores: Mapping[str, NDArray[np.float64]], balance: float | None
    ) -> Iterator[str]:
        """Return what a reader of the scores must know."""
        if self.used < self.rows:
            left = plural(self.rows - self.used, "input")
            yield f"{left} of {self.rows:,} left out: activations or target are NaN or infinite"
        if not any(values.any() for values in scores.values()):
            yield f"all scores are 0 ({method}): the target depends on no neuron"
        if balance is not None and balance > LARGEST_IMBALANCE:
            yield (
                f"relevance is not conserved: {100 * balance:.2g} % of the target is unaccounted "
                "for, so the ranking of neurons may be off"
            )
