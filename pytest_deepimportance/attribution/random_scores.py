"""The null: scores that know nothing of the model."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pytest_deepimportance.attribution.base import AttributionBatch, Conservation
from pytest_deepimportance.attribution.lrp.checks import check_visited
from pytest_deepimportance.attribution.lrp.running import undisturbed
from pytest_deepimportance.attribution.observing import observe
from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.models.sitemap import SiteMap


class RandomAttribution:
    """A uniform number from [0, 1) for each neuron, the same for every row.

    It is drawn from the seed, the layer's name and the neuron's index, so that ranking and ties do
    not depend on the data, the batch size or the other layers.

    Args:
        model, sites, layers, also, tap, reduce, output: As for `LrpAttribution`.
        target: Not used.
        seed: Of the numbers.
    """

    name = "random"

    def __init__(
        self,
        model: nn.Module,
        sites: SiteMap,
        layers: Sequence[str],
        *,
        target: Any = "predicted",
        tap: str = "post",
        reduce: str = "mean",
        output: Callable[[Any], Any] | None = None,
        also: Sequence[str] = (),
        seed: int = 0,
    ) -> None:
        self._model, self._seed = model, seed
        self._layers = [sites.find(layer).name for layer in layers]
        self._read = [sites.find(name) for name in dict.fromkeys((*self._layers, *also))]
        self._how: dict[str, Any] = {"tap": tap, "reduce": reduce, "output": output}

    @property
    def rule(self) -> str:
        """The parameters, as reports word them."""
        return f"seed {self._seed}"

    @property
    def notes(self) -> tuple[str, ...]:
        """What the report must say."""
        return (
            f"importance is random (seed {self._seed}): the null that methods are held against",
        )

    def attribute(self, call: ModelCall) -> AttributionBatch:
        """Attribute one batch.

        Raises:
            AttributionError: A layer was not reached, or its rows are not the inputs.
        """
        with undisturbed(self._model):
            seen = observe(self._model, self._read, call, **self._how)
        check_visited(self._layers, seen.values, call.rows)
        relevance = {name: self._scores(name, seen.values[name].values) for name in self._layers}
        activations = seen.batch(call, [site.name for site in self._read])
        usable = torch.from_numpy(activations.finite())
        if not bool(usable.all()):
            relevance = {
                name: scores.masked_fill(~usable[:, None].to(scores.device), 0.0)
                for name, scores in relevance.items()
            }
        return AttributionBatch(activations, relevance, Conservation())

    def _scores(self, layer: str, values: Tensor) -> Tensor:
        generator = np.random.default_rng([abs(self._seed), zlib.crc32(layer.encode())])
        drawn = torch.from_numpy(generator.random(values.shape[1]))
        return drawn.to(device=values.device, dtype=values.dtype).expand_as(values).clone()
