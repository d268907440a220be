"""How a batch of new data compares with the reference, as plain frozen data."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from pytest_deepimportance.provenance import ModelInfo, ReferenceInfo

SCHEMA = "deepimportance-drift"
FORMAT = 1


@dataclass(frozen=True)
class ChiSquare:
    """Pearson's test of homogeneity of two samples over combinations.

    Attributes:
        statistic, dof, p: None where the samples are too small to judge.
        cells: Cells compared, the pooled one among them.
        pooled: Combinations that went into the pooled cell.
        why: Why it is not judged, else empty.
    """

    statistic: float | None
    dof: int
    p: float | None
    cells: int
    pooled: int
    why: str = ""


@dataclass(frozen=True)
class DriftClass:
    """One class: its rows in the reference, and the new inputs predicted as it.

    Attributes:
        exercised_rows: Reference rows of the class whose combination some new input shows.
        unknown_inputs: New inputs of the class with a combination the reference never shows.
    """

    index: int
    name: str
    reference_rows: int
    exercised_rows: int
    inputs: int
    unknown_inputs: int


@dataclass(frozen=True)
class DriftSpace:
    """One combination space (a layer).

    Attributes:
        exercised_rows: Reference rows (of `reference_rows`) whose combination some new input shows.
        expected_share: The same as a share, for as many random reference inputs; None for more
            inputs than reference rows.
        unknown_inputs: New inputs with a combination the reference never shows.
        expected_unknown: The part of further reference-like inputs that would (Good and Turing:
            combinations with a single reference row, divided by the rows).
    """

    name: str
    m: int
    total: int
    reach: int
    inputs: int
    reference_rows: int
    exercised_rows: int
    expected_share: float | None
    unknown_inputs: int
    expected_unknown: float
    chi_square: ChiSquare
    classes: tuple[DriftClass, ...]


@dataclass(frozen=True)
class DriftGate:
    """One threshold and whether it is met: "ok", "failed" or "not judged"."""

    threshold: str
    status: str
    message: str


@dataclass(frozen=True)
class DriftReport:
    """Everything `deepimportance drift` says.

    Attributes:
        inputs, rows: Distinct new inputs, and rows read.
        classes_from: Where the reference's classes come from; those of new inputs are predictions.
    """

    version: str
    model: ModelInfo
    reference: ReferenceInfo
    profile: str
    data: str
    rows: int
    inputs: int
    classes_from: str
    spaces: tuple[DriftSpace, ...]
    notes: tuple[str, ...] = ()
    gates: tuple[DriftGate, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {"schema": SCHEMA, "format": FORMAT, **dataclasses.asdict(self)}
