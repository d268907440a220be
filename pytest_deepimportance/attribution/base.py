"""What every attribution method gives: relevance and activations of one batch, and its accounts."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Protocol

from torch import Tensor

from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.errors import AttributionError, did_you_mean


@dataclass(frozen=True)
class Conservation:
    """Where the target's value went, summed over rows; two of them add up.

    Row by row, target = input + bias + shift + stabiliser + residual (DESIGN D6).

    Attributes:
        target: Sum of the target values (logits).
        target_abs: Sum of their absolute values.
        residual_abs: Sum of |residual|, the part that nothing accounts for.
        input: Relevance that reached the model's inputs.
        bias: Absorbed by biases and other added constants.
        shift: Absorbed by the shifts of normalisation layers.
        stabiliser: Absorbed by the epsilon of the epsilon rule.
        rows: Rows accounted for.
    """

    target: float = 0.0
    target_abs: float = 0.0
    residual_abs: float = 0.0
    input: float = 0.0
    bias: float = 0.0
    shift: float = 0.0
    stabiliser: float = 0.0
    rows: int = 0

    def __add__(self, other: Conservation) -> Conservation:
        sums = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        return Conservation(**sums)

    @property
    def balance(self) -> float | None:
        """Unaccounted share of the target; None where nothing was accounted for."""
        return self.residual_abs / self.target_abs if self.target_abs > 0 else None

    @property
    def input_share(self) -> float | None:
        """Share of the target that the input explains; None where nothing was accounted for."""
        return self.input / self.target if self.rows and self.target else None


@dataclass(frozen=True)
class AttributionBatch:
    """Attribution of N rows.

    Attributes:
        activations: Neuron values of the same forward pass.
        relevance: By layer, (N, U): signed sum over a neuron's positions. A row with an activation
            that is not finite holds zeros (`activations.finite()` names it).
        conservation: Sums over the rows whose relevance was accounted for.
    """

    activations: ActivationBatch
    relevance: dict[str, Tensor]
    conservation: Conservation


class Attribution(Protocol):
    """A method that says how much each neuron contributed to the target, row by row."""

    @property
    def name(self) -> str:
        """Name of the method in the registry."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the report, gathered over the batches so far."""

    def attribute(self, call: ModelCall) -> AttributionBatch:
        """Attribute one batch.

        Raises:
            AttributionError: Importance cannot be computed faithfully.
        """


METHODS: Mapping[str, str] = {
    "lrp": "pytest_deepimportance.attribution.lrp.engine:LrpAttribution",
}
"""Factory of each method, imported when it is first used."""


def create(method: str, **settings: Any) -> Attribution:
    """Return the attribution `method`, made with `settings`.

    Raises:
        AttributionError: There is no such method.
    """
    if method not in METHODS:
        raise AttributionError(
            f"there is no attribution method {method!r}",
            fix=did_you_mean(method, METHODS) or f"Methods: {', '.join(METHODS)}",
        )
    module, _, factory = METHODS[method].partition(":")
    made: Attribution = getattr(importlib.import_module(module), factory)(**settings)
    return made
