"""How well a selector chooses between attribution methods, as plain frozen data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_deepimportance.plaindata import rebuild

SCHEMA = "deepimportance-selector"
FORMAT = 1


@dataclass(frozen=True)
class Estimate:
    """A number measured on held-out rows, with its 95 % confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class MethodScores:
    """How one method did over all rows.

    Attributes:
        layer: Layer of the rows, empty for all rows together.
        rows: Rows looked at.
        mean, variance: Of its gain (loss after pruning its neurons minus loss before; variance with
            rows - 1).
        wins: Rows in which no method had a larger gain, and its own was above 0.
    """

    method: str
    layer: str
    rows: int
    mean: float
    variance: float
    wins: int


@dataclass(frozen=True)
class SelectorReport:
    """Everything that is said of a selector.

    Attributes:
        kind: "logistic" or "mlp".
        held_out: Part of the inputs held out; seed: of the split.
        methods: In the order of the gains.
        layers: Whose gains were learned, one-hot beside the features; empty for one question an
            input.
        features: Width D of the features, before the one-hot.
        fingerprint: Of the model, empty where not known.
        rows: Rows given; inputs: distinct inputs; abstained: rows in which no method has a gain
            above 0, which are left out; tied: other rows in which several methods win alike.
        fitted_rows, held_rows, held_inputs: What was learned from, and what was held out.
        winner: The method with the most wins among the fitted rows.
        accuracy: Part of the held-out rows in which the chosen method wins.
        baseline: The same for always choosing `winner`.
        difference: accuracy - baseline, compared row by row.
        by_class: The same for always choosing the method with the most wins among fitted rows of
            the same predicted class (and layer); None where classes are not given.
        beyond_class: accuracy - by_class, compared row by row.
        gain, gain_of_winner, gain_of_best: Mean gain on held-out rows of the chosen method, of
            `winner`, and of the best method of each row.
        gain_difference: gain - gain_of_winner, compared row by row.
        scores: Table of methods, all rows together, then layer by layer.
    """

    version: str
    kind: str
    seed: int
    held_out: float
    methods: tuple[str, ...]
    layers: tuple[str, ...]
    features: int
    fingerprint: str
    rows: int
    inputs: int
    abstained: int
    tied: int
    fitted_rows: int
    held_rows: int
    held_inputs: int
    winner: str
    accuracy: Estimate
    baseline: Estimate
    difference: Estimate
    by_class: Estimate | None
    beyond_class: Estimate | None
    gain: float
    gain_of_winner: float
    gain_of_best: float
    gain_difference: Estimate
    scores: tuple[MethodScores, ...]
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """How it compares with always choosing the winner: "better", "worse" or "no better"."""
        if self.difference.low > 0:
            return "better"
        return "worse" if self.difference.high < 0 else "no better"

    def to_json(self) -> dict[str, Any]:
        """Return plain data that `from_json` reads back, the verdict with it."""
        return {
            "schema": SCHEMA,
            "format": FORMAT,
            "verdict": self.verdict,
            **dataclasses.asdict(self),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SelectorReport:
        """Rebuild from `to_json` data.

        Raises:
            TypeError, KeyError, AttributeError: A field is missing or unknown.
        """
        rest = {k: v for k, v in data.items() if k not in ("schema", "format", "verdict")}
        found: SelectorReport = rebuild(cls, rest)
        return found
