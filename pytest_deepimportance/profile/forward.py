"""A plain forward pass over the reference, where no importance is computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pytest_deepimportance.attribution.base import AttributionBatch, Conservation
from pytest_deepimportance.attribution.lrp.checks import check_visited
from pytest_deepimportance.attribution.lrp.running import run_model, undisturbed
from pytest_deepimportance.data.activations import UNKNOWN, ActivationBatch
from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.data.digests import row_digests
from pytest_deepimportance.data.layer_values import LayerValues
from pytest_deepimportance.data.outputs import class_scores
from pytest_deepimportance.data.padding import padding_mask
from pytest_deepimportance.models.sitemap import Site, SiteMap
from pytest_deepimportance.recording.neurons import reduce_to_neurons
from pytest_deepimportance.recording.reader import SiteReader


class ForwardOnly:
    """Reads activations in the form of an attribution, without relevance.

    Args:
        model: Any eager module; it is not changed.
        sites: Where its layers are read.
        layers: Names of the layers to read.
        tap, reduce, output: As for recording.
        must_reach: Layers that every batch has to pass.
    """

    name = "none"

    def __init__(
        self,
        model: nn.Module,
        sites: SiteMap,
        layers: Sequence[str],
        *,
        tap: str,
        reduce: str,
        output: Callable[[Any], Any] | None,
        must_reach: Sequence[str] = (),
    ) -> None:
        self._must_reach = must_reach
        self._model, self._reduce, self._output = model, reduce, output
        self._values: dict[str, LayerValues] = {}
        self._mask: Tensor | None = None
        wanted = [sites.find(name) for name in layers]
        self._reader = SiteReader(model, wanted, self._on_site, tap=tap)

    @property
    def notes(self) -> tuple[str, ...]:
        """Nothing: a forward pass needs no remark."""
        return ()

    def attribute(self, call: ModelCall) -> AttributionBatch:
        """Run one batch and return its activations.

        Raises:
            AttributionError: A layer that the batch has to pass was not reached.
        """
        self._values, self._mask = {}, padding_mask(call)
        self._reader.attach()
        try:
            with undisturbed(self._model), torch.no_grad():
                self._reader.begin()
                try:
                    scores = class_scores(run_model(self._model, call), self._output)
                finally:
                    self._reader.end()
        finally:
            self._reader.detach()
        check_visited(self._must_reach, self._values, call.rows)
        unknown = np.full(call.rows, UNKNOWN, dtype=np.int64)
        predictions = unknown
        if scores is not None and len(scores) == call.rows:
            predictions = scores.argmax(dim=1).cpu().numpy().astype(np.int64)
        labels = unknown if call.labels is None else call.labels.cpu().numpy().astype(np.int64)
        layers = {n: v for n, v in self._values.items() if len(v.values) == call.rows}
        batch = ActivationBatch(layers, row_digests(call), predictions, labels)
        return AttributionBatch(batch, {}, Conservation())

    def _on_site(self, site: Site, tensor: Tensor) -> None:
        if site.name not in self._values:
            self._values[site.name] = reduce_to_neurons(tensor, site, self._reduce, self._mask)
