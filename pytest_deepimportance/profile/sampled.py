"""Importance from a part of the rows: the others pass forward only."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_deepimportance.attribution.base import Attribution, AttributionBatch
from pytest_deepimportance.data.batches import ModelCall


class SampledAttribution:
    """Attributes the chosen rows of a stream, and reads the activations of all.

    Batches must come in the order of the stream.

    Args:
        attribution: Attributes the chosen rows.
        forward: Reads the activations of every row.
        layers: Layers that have relevance.
        chosen: Numbers of the chosen rows, ascending; None for the first `count`.
        count: How many are chosen.
    """

    def __init__(
        self,
        attribution: Attribution,
        forward: Attribution,
        layers: tuple[str, ...],
        chosen: NDArray[np.int64] | None,
        count: int,
    ) -> None:
        self._attribution, self._forward, self._layers = attribution, forward, layers
        self._chosen, self._count, self._seen = chosen, count, 0

    @property
    def name(self) -> str:
        """Name of the method."""
        return self._attribution.name

    @property
    def rule(self) -> str:
        """Parameters of the method."""
        return str(getattr(self._attribution, "rule", ""))

    @property
    def notes(self) -> tuple[str, ...]:
        """Those of the method, and which rows it saw."""
        which = "seeded" if self._chosen is not None else "the first"
        sample = f"importance is computed from {self._count:,} reference inputs ({which})"
        return (*self._attribution.notes, sample)

    def attribute(self, call: ModelCall) -> AttributionBatch:
        """Attribute the rows of a batch that are chosen; the others have relevance 0."""
        batch = self._forward.attribute(call)
        numbers = np.arange(self._seen, self._seen + call.rows)
        self._seen += call.rows
        chosen = numbers < self._count
        if self._chosen is not None:
            chosen = np.isin(numbers, self._chosen, assume_unique=True)
        index = torch.from_numpy(np.flatnonzero(chosen))
        relevance, conservation = {}, batch.conservation
        found = self._attribution.attribute(call.select(index)) if len(index) else None
        for name in self._layers:
            values = batch.activations.layers[name].values
            relevance[name] = torch.zeros_like(values)
            if found is not None:
                relevance[name][index.to(values.device)] = found.relevance[name]
                conservation = found.conservation
        return dataclasses.replace(
            batch, relevance=relevance, conservation=conservation, attributed=chosen
        )
