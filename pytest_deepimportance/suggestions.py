"""Which inputs of a pool to label and test next, as plain frozen data."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

SCHEMA = "deepimportance-suggestions"
FORMAT = 1


@dataclass(frozen=True)
class Suggestion:
    """One input of the pool, by rank.

    Attributes:
        index: Its row in the pool, from 0.
        new_items: Items it adds to what the suite and the suggestions before it cover.
        reference_rows: Reference inputs that behave as it does (have its combination); None for
            criteria beside IDC.
        max_softmax, gini: How sure the model is; None where not known.
        predicted, label: Class indices; None where not known.
    """

    index: int
    new_items: int
    reference_rows: int | None
    max_softmax: float | None
    gini: float | None
    predicted: int | None
    label: int | None


@dataclass(frozen=True)
class Strategy:
    """What as many inputs chosen in one way would bring.

    Attributes:
        name: "suggested", "random", "max-softmax" or "gini".
        new_items: Items added to those of the suite (mean of the draws of "random").
        new_items_sd: Its standard deviation over the draws; None but for "random".
        errors: Wrong predictions among the chosen inputs with a label (mean of the draws); None
            where the pool has no labels.
        draws: Times it was drawn.
    """

    name: str
    new_items: float
    new_items_sd: float | None = None
    errors: float | None = None
    draws: int = 1


@dataclass(frozen=True)
class Suggestions:
    """Ranked inputs of a pool, and what other ways of choosing would bring.

    Attributes:
        criterion: Whose items count.
        suite_inputs: Distinct inputs of the suite; 0 where none is given.
        covered: Items the suite covers.
        total: All items, 0 where the criterion has no total.
        pool, pool_inputs: What the pool is, and its distinct inputs that the suite lacks.
        addable: Items that the whole pool would add.
        labelled: Of `pool_inputs`, those whose class and prediction are known.
        errors: Wrong predictions among these; None where there are none.
        chosen: By rank: first those that add items, then those the model is least sure of.
    """

    version: str
    model: str
    profile: str
    criterion: str
    suite_inputs: int
    covered: int
    total: int
    pool: str
    pool_inputs: int
    addable: int
    labelled: int
    errors: int | None
    chosen: tuple[Suggestion, ...]
    strategies: tuple[Strategy, ...]
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON-ready data."""
        return {"schema": SCHEMA, "format": FORMAT, **dataclasses.asdict(self)}
