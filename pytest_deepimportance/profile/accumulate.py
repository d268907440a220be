"""The streaming pass over the reference: one forward and one backward per batch, for everything."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pytest_deepimportance.attribution.base import Attribution, AttributionBatch, Conservation
from pytest_deepimportance.data.activations import UNKNOWN
from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.data.reference import Reference
from pytest_deepimportance.errors import ReferenceDataError
from pytest_deepimportance.models.raised import naming_inputs
from pytest_deepimportance.profile.spool import Spool
from pytest_deepimportance.statistics.gathering import Gathering, ReferenceStatistics
from pytest_deepimportance.statistics.prefix_counts import NO_EXAMPLE

Progress = Callable[[int, int | None], None]
"""Called with rows done and rows in all (None when unknown)."""

MASK64 = (1 << 64) - 1


@dataclass
class Accumulated:
    """What one pass over the reference leaves behind.

    Attributes:
        spools: By layer, one row per usable reference row.
        labels, predictions, index: Per usable row; `index` is the row's number in the data the user
            gave, NO_EXAMPLE where it has none.
        fitted: Per usable row: whether importance and clusters are fitted on it.
        attributed: Per usable row: whether its relevance was computed.
        relevance: By layer, signed relevance summed over the fitted rows, float64 (U,).
        class_relevance: By class index, the same for the fitted rows with that true label.
        digest: Order-free content digest (sum of row digests, modulo 2**64).
        digests: Content hash of each distinct row read, ascending; None where they are not kept.
        conservation: How faithful the relevance was.
        statistics: What the baseline criteria need.
    """

    spools: dict[str, Spool]
    labels: NDArray[np.int64]
    predictions: NDArray[np.int64]
    index: NDArray[np.int64]
    fitted: NDArray[np.bool_]
    attributed: NDArray[np.bool_]
    relevance: dict[str, NDArray[np.float64]]
    class_relevance: dict[int, dict[str, NDArray[np.float64]]]
    rows: int
    non_finite: int
    digest: int
    conservation: Conservation
    labelled: bool
    statistics: ReferenceStatistics
    digests: NDArray[np.uint64] | None = None
    attribution_notes: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass
class Accumulator:
    """Adds batches of attributions; `finish` hands everything over.

    Args:
        layers: Layers whose neurons may become important.
        correct_only: Fit on correctly classified rows only (on all when labels are missing).
        per_class: Also keep relevance by true label.
        gathering: Takes what the baseline criteria need.
        keep_digests: Keep the content hash of each row.
    """

    layers: Sequence[str]
    correct_only: bool
    per_class: bool
    budget: int
    gathering: Gathering
    keep_digests: bool = True
    spools: dict[str, Spool] = field(init=False)

    def __post_init__(self) -> None:
        share = max(1, self.budget // max(1, len(self.layers)))
        self.spools = {name: Spool(share) for name in self.layers}
        self._relevance: dict[str, NDArray[np.float64]] = {}
        self._unlabelled: dict[str, NDArray[np.float64]] = {}
        self._class_relevance: dict[int, dict[str, NDArray[np.float64]]] = {}
        self._columns: dict[str, list[NDArray[np.int64]]] = {
            "labels": [], "predictions": [], "index": [], "fitted": [],
            "attributed": [],
        }  # fmt: skip
        self._conservation = Conservation()
        self._rows = self._non_finite = self._digest = 0
        self._digests: list[NDArray[np.uint64]] = []
        self._labelled = False
        self.started = time.perf_counter()

    def add(self, batch: AttributionBatch) -> None:
        """Add one batch."""
        acts = batch.activations
        self._digest = (self._digest + int(np.sum(acts.digests, dtype=np.uint64))) & MASK64
        if self.keep_digests:
            self._digests.append(acts.digests)
        usable = acts.finite()
        index = np.arange(self._rows, self._rows + len(acts), dtype=np.int64)
        self._rows += len(acts)
        self._conservation = self._conservation + batch.conservation
        if not usable.all():
            self._non_finite += int((~usable).sum())
            acts = acts.select(usable)
            index = index[usable]
        self.gathering.update(acts)
        known = acts.labels != UNKNOWN
        self._labelled |= bool(known.any())
        fitted = np.ones(len(acts), dtype=bool)
        if self.correct_only:
            fitted = known & (acts.labels == acts.predictions)
        for name in self.layers:
            self.spools[name].append(acts.layers[name].values.cpu().numpy())
            if name not in batch.relevance:
                continue  # the scores are given
            scores = batch.relevance[name].detach().cpu().numpy()[usable]
            self._add_relevance(name, scores, fitted, acts.labels)
            # Whether any row of the reference has a label is known only after the last batch.
            _add_sum(self._unlabelled, name, scores[~known])
        self._columns["labels"].append(acts.labels)
        self._columns["predictions"].append(acts.predictions)
        self._columns["index"].append(index)
        self._columns["fitted"].append(fitted.astype(np.int64))
        attributed = np.ones(len(usable), bool) if batch.attributed is None else batch.attributed
        self._columns["attributed"].append(attributed[usable].astype(np.int64))

    def _add_relevance(
        self,
        name: str,
        scores: NDArray[np.floating],
        fitted: NDArray[np.bool_],
        labels: NDArray[np.int64],
    ) -> None:
        _add_sum(self._relevance, name, scores[fitted])
        if not self.per_class:
            return
        for label in np.unique(labels[fitted & (labels != UNKNOWN)]).tolist():
            own = self._class_relevance.setdefault(label, {})
            _add_sum(own, name, scores[fitted & (labels == label)])

    def finish(self, notes: tuple[str, ...] = ()) -> Accumulated:
        """Return everything accumulated."""
        joined = {
            key: np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)
            for key, parts in self._columns.items()
        }
        fitted, relevance = joined["fitted"].astype(bool), self._relevance
        if self.correct_only and not self._labelled:
            # Nothing says which rows are classified correctly: all of them are fitted.
            fitted, relevance = np.ones_like(fitted), self._unlabelled
        return Accumulated(
            spools=self.spools,
            labels=joined["labels"],
            predictions=joined["predictions"],
            index=joined["index"],
            fitted=fitted,
            attributed=joined["attributed"].astype(bool),
            relevance=relevance,
            class_relevance=self._class_relevance,
            rows=self._rows,
            non_finite=self._non_finite,
            digest=self._digest,
            conservation=self._conservation,
            labelled=self._labelled,
            statistics=self.gathering.finish(),
            digests=np.unique(np.concatenate(self._digests)) if self._digests else None,
            attribution_notes=notes,
            seconds=time.perf_counter() - self.started,
        )


def stream(
    reference: Reference,
    attribution: Attribution,
    accumulator: Accumulator,
    *,
    model: nn.Module,
    batch_size: int,
    micro_batch: int,
    device: torch.device,
    progress: Progress | None = None,
) -> Accumulated:
    """Run the attribution over every batch of the reference.

    Raises:
        ReferenceDataError: The forward raised.
    """
    done = 0
    for call in reference.batches(batch_size):
        for part in _parts(call, micro_batch):
            source = f"the reference {reference.descriptor}"
            with naming_inputs(source, model, part, ReferenceDataError, row=done):
                accumulator.add(attribution.attribute(part.to(device)))
            done += part.rows
            if progress is not None:
                progress(done, reference.rows)
    found = accumulator.finish()
    found.index = _original_rows(reference, found.index)
    return found


def _original_rows(reference: Reference, index: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the numbers of these rows in the data the user gave (before sampling)."""
    rows = (reference.index_of_row(row) for row in index.tolist())
    return np.array([NO_EXAMPLE if row is None else row for row in rows], dtype=np.int64)


def _add_sum(sums: dict[str, NDArray[np.float64]], name: str, scores: NDArray[np.floating]) -> None:
    sums[name] = sums.get(name, 0.0) + scores.sum(axis=0, dtype=np.float64)


def _parts(call: ModelCall, size: int) -> Sequence[ModelCall]:
    return [call] if call.rows <= size else list(call.split(size))
