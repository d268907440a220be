"""Scores of neurons, of all classes or one: computed in the pass over the reference, or given."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.attribution.importance import Importance
from pytest_deepimportance.profile.accumulate import Accumulated
from pytest_deepimportance.profile.given import check_widths
from pytest_deepimportance.settings import Settings


@dataclass(frozen=True)
class Scored:
    """Where the scores of a profile come from.

    Attributes:
        found: What the pass over the reference found.
        model: Fingerprint of the model.
        rule: Parameters of the method, in words.
        given: Scores known beforehand, else None.
    """

    found: Accumulated
    settings: Settings
    model: str
    rule: str
    given: Importance | None

    def whole(self) -> Importance:
        """Return the scores of all classes together.

        Raises:
            LayerError: Given scores do not fit what was recorded.
        """
        if self.given is not None:
            check_widths(self.given, self.found)
            return dataclasses.replace(self.given, by_class={}, votes=None)
        rows = int((self.found.fitted & self.found.attributed).sum())
        return self._importance(self.found.relevance, rows)

    def of_class(self, label: int, rows: NDArray[np.bool_]) -> Importance | None:
        """Return the scores of one class, None if importance was computed from none of its inputs.

        Args:
            rows: Which reference rows belong to it, (R,).
        """
        if self.given is not None:
            return dataclasses.replace(self.given.of_class(label), by_class={}, votes=None)
        attributed = int((rows & self.found.fitted & self.found.attributed).sum())
        return (
            self._importance(self.found.class_relevance[label], attributed) if attributed else None
        )

    def _importance(self, relevance: Mapping[str, NDArray[np.float64]], rows: int) -> Importance:
        found, settings = self.found, self.settings
        return Importance(
            scores=dict(relevance),
            rows=rows,
            method=settings.importance_method,
            rule=self.rule,
            target=settings.target,
            balance=found.conservation.balance,
            input_share=found.conservation.input_share,
            notes=found.attribution_notes,
            fingerprint=self.model,
        )
