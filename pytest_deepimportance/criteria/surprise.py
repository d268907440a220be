"""Surprise coverage: how much of the range of surprise the inputs exercise.

Kim, Feldt, Yoo: Guiding Deep Learning System Testing Using Surprise Adequacy, ICSE 2019. The range
(0, U] of a surprise adequacy is divided into n buckets; coverage is the share of those that hold
the surprise of at least one input. What is surprising differs: see `lsc`, `dsc` and `mdsc`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_deepimportance.criteria.base import Criterion
from pytest_deepimportance.criteria.plain import from_plain, to_plain
from pytest_deepimportance.criteria.surprise_buckets import Buckets
from pytest_deepimportance.criteria.surprise_state import (
    NO_REFERENCE,
    NON_FINITE,
    UNLABELLED,
    UNVISITED,
    VALUE,
    SurpriseState,
)
from pytest_deepimportance.data.activations import UNKNOWN, ActivationBatch
from pytest_deepimportance.errors import LayerError, RecordingError
from pytest_deepimportance.results import CriterionRow
from pytest_deepimportance.statistics.incidence import RowItems

if TYPE_CHECKING:
    from typing import Self  # Python 3.11; never imported when the code runs

Classes = NDArray[np.int64]
Floats = NDArray[np.float64]


class SurpriseCoverage(Criterion):
    """Coverage of one surprise adequacy on one layer.

    Args:
        buckets: The range and how it is divided.
        layer: Name of the layer.
        labels: "predicted", "true" or "none": which class an input belongs to.
        with_values: Whether the row lists the value of every input.
    """

    unit = "ratio"
    reads = "surprise"

    def __init__(self, buckets: Buckets, layer: str, labels: str, with_values: bool) -> None:
        super().__init__()
        self.buckets, self.layer = buckets, layer
        self.labels, self.with_values = labels, with_values
        self.state = SurpriseState()

    @property
    @abstractmethod
    def width(self) -> int:
        """Neurons of the layer in the reference (d)."""

    @abstractmethod
    def comparable(self, classes: Classes) -> NDArray[np.bool_]:
        """Return for each class (N,) whether the reference has what it is compared with, (N,)."""

    @abstractmethod
    def surprise(self, values: NDArray[np.floating], classes: Classes) -> Floats:
        """Return the surprise adequacy of rows (N, d), NaN or infinite where it has none, (N,)."""

    @abstractmethod
    def reference_details(self) -> dict[str, Any]:
        """Return what the row says of the reference."""

    @torch.no_grad()
    def update(self, batch: ActivationBatch) -> None:
        """Take in the rows of one forward pass.

        Raises:
            LayerError: The layer has another number of neurons than in the reference.
        """
        if not len(batch):
            return
        if self.layer not in batch.layers:
            self.state.add(batch.digests, UNVISITED)
            return
        rows = batch.array(self.layer)
        if rows.shape[1] != self.width:
            raise LayerError(
                f"layer {self.layer!r} has {rows.shape[1]} neurons, {self.width} in the profile",
                f"{self.name} compares activations neuron by neuron.",
                "Build the profile again for this model.",
            )
        classes = self._classes(batch)
        unknown = classes == UNKNOWN
        compared = ~unknown & self.comparable(classes)
        surprise = self.surprise(rows[compared], classes[compared])
        finite = np.isfinite(surprise)
        digests = batch.digests[compared]
        self.state.add(digests[finite], VALUE, surprise[finite])
        self.state.add(digests[~finite], NON_FINITE)
        self.state.add(batch.digests[unknown], UNLABELLED)
        self.state.add(batch.digests[~unknown & ~compared], NO_REFERENCE)

    @property
    def by_true_class(self) -> bool:
        """Whether inputs are compared with the reference inputs of their true class."""
        return self.labels == "true"

    def items(self, batch: ActivationBatch) -> RowItems:
        """Return the bucket of each row that is in one."""
        values = np.full(len(batch), np.nan)
        if self.layer in batch.layers:
            classes = self._classes(batch)
            compared = (classes != UNKNOWN) & self.comparable(classes)
            values[compared] = self.surprise(batch.array(self.layer)[compared], classes[compared])
        inside = self.buckets.inside(values)
        return RowItems.one_each(self.buckets.number(values), inside)

    def held(self) -> NDArray[np.int64]:
        """Return the buckets hit so far."""
        values = self.state.finite[1]
        return np.unique(self.buckets.number(values)[self.buckets.inside(values)])

    def merge(self, other: Self) -> None:
        """Take in the inputs that `other` has seen.

        Raises:
            RecordingError: `other` reads another layer.
        """
        self._check_layer(other.layer)
        self.state.merge(other.state)

    def reset(self) -> None:
        """Forget everything seen."""
        self.state.reset()

    def get_extra_state(self) -> dict[str, Any]:
        """Return the layer, and the inputs with their values, as builtins and bytes."""
        return {"layer": self.layer, "seen": to_plain(self.state.to_arrays())}

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Replace the state by one that `get_extra_state` returned.

        Raises:
            RecordingError: It belongs to another layer.
        """
        self._check_layer(state["layer"])
        self.state.set_arrays(from_plain(state["seen"]))

    def compute(self) -> tuple[CriterionRow, ...]:
        """Return one row: the buckets that hold an input's surprise, of all buckets.

        Median and maximum in its details are of the distinct pairs of input and finite value.
        """
        inputs = self.state.inputs
        digests, values = self.state.finite
        covered = self.buckets.hit(values)
        row = CriterionRow(
            criterion=self.name,
            unit=self.unit,
            covered=covered,
            total=self.buckets.count,
            inputs=inputs,
            judged=not inputs or (len(values) > 0 and self.buckets.upper > 0),
            details={
                "layer": self.layer,
                "upper": self.buckets.upper,
                "upper_from": self.buckets.upper_from,
                "buckets": self.buckets.count,
                "below": _inputs(digests[values <= 0]),
                "above": _inputs(digests[values > self.buckets.upper]),
                "non_finite": self.state.count(NON_FINITE),
                "no_reference": self.state.count(NO_REFERENCE),
                "not_judged_unlabelled": self.state.count(UNLABELLED),
                "not_judged_unvisited": self.state.count(UNVISITED),
                "near_boundary": _inputs(digests[self.buckets.near_edge(values)]),
                "median": float(np.median(values)) if len(values) else None,
                "maximum": float(values.max()) if len(values) else None,
                **self.reference_details(),
                **({"values": self._values()} if self.with_values else {}),
            },
        )
        return (row,)

    def _classes(self, batch: ActivationBatch) -> Classes:
        if self.labels == "none":
            return np.zeros(len(batch), dtype=np.int64)
        return batch.labels if self.labels == "true" else batch.predictions

    def _values(self) -> list[list[str | float | None]]:
        """Return [digest, value] of each triple, the value None where it is not finite."""
        seen = self.state.to_arrays()
        pairs = zip(seen["digests"].tolist(), seen["values"].tolist(), strict=True)
        return [[f"{digest:016x}", None if v != v else v] for digest, v in pairs]

    def _check_layer(self, layer: str) -> None:
        if layer != self.layer:
            raise RecordingError(
                f"{self.name} of layer {layer!r} instead of layer {self.layer!r}",
                "It was measured against another profile, so its values differ.",
                "Measure all parts against the same profile file.",
            )


def _inputs(digests: NDArray[np.uint64]) -> int:
    return len(np.unique(digests))
