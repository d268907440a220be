"""Feature ablation of neurons (captum: LayerFeatureAblation)."""

from __future__ import annotations

import torch
from torch import Tensor

from pytest_deepimportance.attribution.captum_base import CaptumAttribution
from pytest_deepimportance.attribution.captum_job import Job
from pytest_deepimportance.models.sitemap import Site


class FeatureAblation(CaptumAttribution):
    """How much the target falls when a neuron is set to 0 at all its positions, one by one.

    Its cost is one forward pass for each neuron.
    """

    name = "feature-ablation"

    def compute(self, job: Job) -> tuple[Tensor, ...]:
        """Return target - target without the neuron, the same at each of its positions."""
        return tuple(self._layer(site, job) for site in self._wanted)

    def reduced(self, values: Tensor, site: Site, mask: Tensor | None) -> Tensor:
        """Return one number for each neuron: that of any position, since all hold the same."""
        if self._reduce == "none" or values.dim() < 3:
            return super().reduced(values, site, mask)
        return values.flatten(2)[:, :, 0].clone()

    def _layer(self, site: Site, job: Job) -> Tensor:
        from captum.attr import LayerFeatureAblation

        method = LayerFeatureAblation(self.tapped, self.tapped.taps[site.name])
        found: Tensor = method.attribute(
            job.inputs,
            additional_forward_args=job.others,
            layer_mask=self._mask(site, job),
            perturbations_per_eval=max(1, job.limit // job.rows),
        )
        return found

    def _mask(self, site: Site, job: Job) -> Tensor | None:
        """Return which elements are one neuron, None where each is one."""
        if self._reduce == "none":
            return None
        dimensions = self.tapped.dimensions[site.name]
        device = job.inputs[0].device
        return torch.arange(site.units, device=device).view(1, -1, *[1] * (dimensions - 2))
