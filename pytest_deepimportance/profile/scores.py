"""The scores of a profile: summed in the pass over the reference, or given."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.attribution.importance import Importance
from pytest_deepimportance.profile.accumulate import Accumulated
from pytest_deepimportance.profile.given import check_widths
from pytest_deepimportance.provenance import ModelInfo
from pytest_deepimportance.settings import Settings


@dataclass(frozen=True)
class Scores:
    """Importance of all classes, and of one.

    Attributes:
        found: What the pass over the reference left behind.
        rule: Parameters of the method, for the report.
        given: Scores that replace those of the pass.
    """

    found: Accumulated
    settings: Settings
    model: ModelInfo
    rule: str
    given: Importance | None

    def of_all(self) -> Importance:
        """Return the importance of all classes together.

        Raises:
            LayerError: Given scores do not fit the recorded neurons.
        """
        if self.given is not None:
            check_widths(self.given, self.found)
            return _plain(self.given)
        found = self.found
        return self._summed(found.relevance, int((found.fitted & found.attributed).sum()))

    def of_class(self, label: int, rows: int) -> Importance:
        """Return the importance of one class, summed over `rows` inputs of it."""
        if self.given is not None:
            return _plain(self.given.of_class(label))
        return self._summed(self.found.class_relevance[label], rows)

    def _summed(self, relevance: Mapping[str, NDArray[np.float64]], rows: int) -> Importance:
        return Importance(
            scores=dict(relevance),
            rows=rows,
            method=self.settings.importance_method,
            rule=self.rule,
            target=self.settings.target,
            balance=self.found.conservation.balance,
            input_share=self.found.conservation.input_share,
            notes=self.found.attribution_notes,
            fingerprint=self.model.fingerprint,
        )


def _plain(given: Importance) -> Importance:
    """Return given scores without what only their file needs."""
    return dataclasses.replace(given, by_class={}, votes=None)
