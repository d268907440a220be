"""Scores of one method summed over the rows of one data set, for all classes and by class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pytest_deepimportance.attribution.base import Attribution, AttributionBatch, Conservation
from pytest_deepimportance.data.activations import UNKNOWN
from pytest_deepimportance.data.outputs import check_labels
from pytest_deepimportance.data.reference import Reference
from pytest_deepimportance.errors import ReferenceDataError
from pytest_deepimportance.models.raised import naming_inputs

LayerSums = dict[str, NDArray[np.float64]]
Advance = Callable[[int], None]
"""Called with the number of rows just done."""


@dataclass
class Summed:
    """Sums over the rows that count: the correctly classified ones, or all of them.

    Attributes:
        whole: By layer, (U,). by_class: the same by true label.
        rows: Rows read; used: rows that count; non_finite: rows with NaN or infinity.
        class_rows: Rows that count, by true label.
        labelled: Whether any row has a label.
        correct_only: Whether only correctly classified rows count.
    """

    correct_only: bool
    per_class: bool
    whole: LayerSums = field(default_factory=dict)
    by_class: dict[int, LayerSums] = field(default_factory=dict)
    class_rows: dict[int, int] = field(default_factory=dict)
    rows: int = 0
    used: int = 0
    non_finite: int = 0
    labelled: bool = False
    conservation: Conservation = field(default_factory=Conservation)
    _unlabelled: LayerSums = field(default_factory=dict)
    _unlabelled_rows: int = 0

    def add(self, batch: AttributionBatch) -> None:
        """Add one batch."""
        acts = batch.activations
        usable, known = acts.finite(), acts.labels != UNKNOWN
        self.rows += len(acts)
        self.non_finite += int((~usable).sum())
        self.labelled |= bool(known.any())
        self.conservation = self.conservation + batch.conservation
        counted = usable.copy()
        if self.correct_only:
            counted &= known & (acts.labels == acts.predictions)
        self.used += int(counted.sum())
        self._unlabelled_rows += int((usable & ~known).sum())
        groups = self._groups(acts.labels, counted & known)
        for name, relevance in batch.relevance.items():
            scores = relevance.detach().cpu().numpy()
            _add(self.whole, name, scores[counted])
            # Whether any row has a label is known only after the last batch.
            _add(self._unlabelled, name, scores[usable & ~known])
            for label, rows in groups:
                _add(self.by_class.setdefault(label, {}), name, scores[rows])

    def _groups(
        self, labels: NDArray[np.int64], rows: NDArray[np.bool_]
    ) -> list[tuple[int, NDArray[np.bool_]]]:
        if not self.per_class:
            return []
        groups = [(int(label), rows & (labels == label)) for label in np.unique(labels[rows])]
        for label, own in groups:
            self.class_rows[label] = self.class_rows.get(label, 0) + int(own.sum())
        return groups

    def finish(self) -> None:
        """Let every row count where nothing says which ones are classified correctly."""
        if self.correct_only and not self.labelled:
            self.whole, self.used = self._unlabelled, self._unlabelled_rows
            self.correct_only = False


def sum_scores(
    data: Reference,
    attribution: Attribution,
    found: Summed,
    *,
    model: nn.Module,
    batch_size: int,
    micro_batch: int,
    device: torch.device,
    advance: Advance,
    classes: int | None = None,
) -> Summed:
    """Run the attribution over every batch of the data and add it all up.

    Args:
        classes: Of the model, as far as known.

    Raises:
        ForwardError: The model's forward raised.
        ReferenceDataError: A label is no class of the model.
    """
    why = "Rows count, and belong to a class, by their true label."
    for call in data.batches(batch_size):
        if classes is not None:
            check_labels(call.labels, classes, ReferenceDataError, why, data.descriptor)
        for part in [call] if call.rows <= micro_batch else call.split(micro_batch):
            with naming_inputs(data.descriptor, model, part):
                found.add(attribution.attribute(part.to(device)))
            advance(part.rows)
    found.finish()
    return found


def _add(sums: LayerSums, name: str, scores: NDArray[np.floating]) -> None:
    sums[name] = sums.get(name, 0.0) + scores.sum(axis=0, dtype=np.float64)


def as_tuples(sums: LayerSums, layers: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """Return plain scores, layers in the given order."""
    return {name: tuple(sums[name].tolist()) for name in layers}
