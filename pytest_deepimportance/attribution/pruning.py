"""Removing neurons from a forward pass, and what that costs the model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pytest_deepimportance.attribution.lrp.passing import copied
from pytest_deepimportance.attribution.lrp.running import run_model, undisturbed
from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.data.padding import padding_mask
from pytest_deepimportance.errors import AttributionError
from pytest_deepimportance.models.sitemap import Site, SiteMap
from pytest_deepimportance.recording.neurons import sum_to_neurons
from pytest_deepimportance.recording.reader import SiteReader

Removed = Mapping[str, Tensor]
"""By layer, (N, U) bool: which neurons are removed from which row."""


class Pruner:
    """Runs a model with neurons set to 0 where they are read; weights are never touched.

    A zeroed weight would not do: a normalisation after it gives its shift, not 0.

    Args:
        model: Any eager module; it is left exactly as it was.
        sites: Where its layers are read.
        layers: Names of the layers whose neurons may be removed.
        tap: Remove them after ("post") or before ("pre") normalisation and activation.

    Attributes:
        positions: By layer, (N, U): positions of each neuron in the last pass that counted them.
    """

    def __init__(
        self, model: nn.Module, sites: SiteMap, layers: Sequence[str], *, tap: str = "post"
    ) -> None:
        self._model = model
        wanted = [sites.find(layer) for layer in layers]
        self._reader = SiteReader(model, wanted, self._on_site, tap=tap, in_graph=True)
        self._removed: Removed = {}
        self._reached: set[str] = set()
        self._count = False
        self._mask: Tensor | None = None
        self._rows = 0
        self.positions: dict[str, Tensor] = {}

    def run(
        self, call: ModelCall, removed: Removed | None = None, *, count_positions: bool = False
    ) -> Any:
        """Return the model's output, in evaluation mode and without gradients.

        Raises:
            AttributionError: A layer with removed neurons was not reached, or its rows are not the
                inputs.
        """
        self._removed, self._reached, self._rows = removed or {}, set(), call.rows
        self._count, self._mask, self.positions = count_positions, padding_mask(call), {}
        own = dataclasses.replace(call, args=copied(call.args), kwargs=copied(call.kwargs))
        self._reader.attach()
        try:
            with undisturbed(self._model), torch.no_grad():
                self._reader.begin()
                try:
                    output = run_model(self._model, own)
                finally:
                    self._reader.end()
        finally:
            self._reader.detach()
        for name in self._removed:
            if name not in self._reached:
                raise AttributionError(
                    f"layer {name!r} was not reached by this batch",
                    "A neuron that is not computed cannot be removed.",
                    "Leave the layer out: layers = [...]",
                )
        return output

    def _on_site(self, site: Site, tensor: Tensor) -> Tensor | None:
        self._reached.add(site.name)
        if self._count:
            ones = torch.ones((), device=tensor.device).expand_as(tensor)
            self.positions[site.name] = sum_to_neurons(ones, site, self._mask)
        mask = self._removed.get(site.name)
        if mask is None:
            return None
        if tensor.shape[site.row_axis] != self._rows:
            raise AttributionError(
                f"layer {site.name!r} has {tensor.shape[site.row_axis]} rows for "
                f"{self._rows} inputs",
                "Its rows are not the inputs, so none of its neurons belongs to one of them.",
                "Leave the layer out: layers = [...]",
            )
        channels = site.channel_axis % tensor.dim()
        shape = [1] * tensor.dim()
        shape[site.row_axis], shape[channels] = mask.shape
        oriented = mask if site.row_axis < channels else mask.t()
        return tensor.masked_fill(oriented.to(tensor.device).reshape(shape), 0)


Loss = Callable[[Any, Tensor | None], Tensor]
"""From a model's output and the true classes to the loss of each row, (N,)."""


def cross_entropy(scores: Tensor, classes: Tensor, ends_in: str | None) -> Tensor:
    """Return the cross-entropy of each row, (N,) float64.

    Args:
        scores: Class scores (N, C).
        classes: (N,).
        ends_in: "softmax" or "sigmoid" where the scores have been through one: it is undone, since
            cross-entropy takes the scores before.
    """
    scores = scores.double()
    if ends_in == "softmax":
        scores = scores.clamp_min(torch.finfo(torch.float32).tiny).log()
    elif ends_in == "sigmoid":
        scores = scores.logit(eps=1e-7)
    return nn.functional.cross_entropy(scores, classes.to(scores.device), reduction="none")
