"""One bare forward pass, read at the sites: activations, class scores and the model's output."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pytest_deepimportance.attribution.lrp.passing import copied
from pytest_deepimportance.attribution.lrp.running import run_model
from pytest_deepimportance.data.activations import UNKNOWN, ActivationBatch
from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.data.digests import row_digests
from pytest_deepimportance.data.layer_values import LayerValues
from pytest_deepimportance.data.outputs import class_scores
from pytest_deepimportance.data.padding import padding_mask
from pytest_deepimportance.models.sitemap import Site
from pytest_deepimportance.recording.neurons import reduce_to_neurons
from pytest_deepimportance.recording.reader import SiteReader


@dataclass
class Observation:
    """What one forward pass showed.

    Attributes:
        values: Activations by layer, for the layers that the pass reached.
        output: What the model returned.
        scores: Class scores (N, C), None where the output holds none.
    """

    values: dict[str, LayerValues] = field(default_factory=dict)
    output: Any = None
    scores: Tensor | None = None

    def batch(self, call: ModelCall, layers: Sequence[str]) -> ActivationBatch:
        """Return the activations of `layers`, as far as their rows are the inputs."""
        unknown = np.full(call.rows, UNKNOWN, dtype=np.int64)
        predictions = labels = unknown
        if self.scores is not None:
            predictions = self.scores.argmax(1).cpu().numpy().astype(np.int64)
        if call.labels is not None:
            labels = call.labels.detach().cpu().numpy().astype(np.int64)
        kept = {
            name: self.values[name]
            for name in layers
            if name in self.values and len(self.values[name].values) == call.rows
        }
        return ActivationBatch(kept, row_digests(call), predictions, labels)


def observe(
    model: nn.Module,
    sites: Sequence[Site],
    call: ModelCall,
    *,
    tap: str = "post",
    reduce: str = "mean",
    output: Callable[[Any], Any] | None = None,
) -> Observation:
    """Run one batch without gradients; the model is not changed.

    Args:
        sites: What to read.
        tap, reduce, output: As for recording.
    """
    found, mask = Observation(), padding_mask(call)

    def on_site(site: Site, tensor: Tensor) -> None:
        if site.name not in found.values:
            found.values[site.name] = reduce_to_neurons(tensor, site, reduce, mask)

    reader = SiteReader(model, sites, on_site, tap=tap, in_graph=True)
    reader.attach()
    try:
        with torch.no_grad():
            reader.begin()
            try:
                found.output = run_model(model, fresh(call))
            finally:
                reader.end()
            scores = class_scores(found.output, output)
    finally:
        reader.detach()
    if scores is not None and len(scores) == call.rows:
        found.scores = scores
    return found


def fresh(call: ModelCall) -> ModelCall:
    """Return the call with its tensors copied: a forward may write into its inputs."""
    return dataclasses.replace(call, args=copied(call.args), kwargs=copied(call.kwargs))
