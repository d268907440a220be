"""captum's methods that follow a path from a baseline to the input.

Conductance (Dhamdhere et al. 2018), internal influence (Leino et al. 2018), integrated gradients
at a layer (Sundararajan et al. 2017), GradientSHAP (Lundberg and Lee 2017).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from pytest_deepimportance.attribution.baselines import Background, Baseline, parse_baseline
from pytest_deepimportance.attribution.captum_base import CaptumAttribution
from pytest_deepimportance.attribution.captum_job import Job, as_tuple
from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.data.digests import row_digests
from pytest_deepimportance.errors import AttributionError

STEPS = 50
"""Points on the path; captum's default."""

SAMPLES = 10
"""Rows that stand for "no information"."""


class FromBaseline(CaptumAttribution):
    """A method that compares the input with a baseline.

    Args:
        baseline: "zero", "mean" of the background, or a number.
        background: Rows of the reference that samples and the mean are drawn from (default: the
            first batch, and the report says so).
        samples: Rows drawn from them.
        seed: Of the draw.
        **common: As for `CaptumAttribution`.
    """

    interpolates = True

    def __init__(
        self,
        model: Any,
        sites: Any,
        layers: Any,
        *,
        baseline: Baseline = "zero",
        background: ModelCall | None = None,
        samples: int = SAMPLES,
        seed: int = 0,
        **common: Any,
    ) -> None:
        super().__init__(model, sites, layers, **common)
        self._baseline = parse_baseline(baseline)
        if samples < 1:
            raise AttributionError(
                f"{samples} samples are too few", fix="Draw at least 1: --idc-attribution-samples"
            )
        self._samples, self._seed = samples, seed
        self._background: Background | None = None
        self._background_call = background

    def attribute(self, call: ModelCall) -> Any:
        """Attribute one batch; see `CaptumAttribution.attribute`."""
        if self._background is None and call.rows:
            if self._background_call is None and self.draws:
                self.note(f"{self.name}: the sample of inputs is drawn from the first batch alone")
            source = self._background_call or call
            self._background = Background(source, self._samples, self._seed)
            self._background_call = None
        return super().attribute(call)

    @property
    def rule(self) -> str:
        """The parameters, as reports word them."""
        if self._baseline == "mean":
            return f"baseline: mean of {self._samples} inputs"
        return f"baseline {self._baseline:g}"

    @property
    def draws(self) -> bool:
        """Whether rows of the background are used."""
        return self._baseline == "mean"

    @property
    def background(self) -> Background:
        """The drawn rows."""
        assert self._background is not None
        return self._background

    def baselines(self, job: Job) -> tuple[Tensor, ...]:
        """Return a baseline for each input, of as many rows."""
        if self._baseline == "mean":
            means = self.background.mean(job.inputs)
            return tuple(m.expand_as(i).clone() for m, i in zip(means, job.inputs, strict=True))
        number = float(self._baseline)
        return tuple(torch.full_like(value, number) for value in job.inputs)


class _Path(FromBaseline):
    """A path with a number of steps; see `FromBaseline` for the other settings."""

    def __init__(
        self, model: Any, sites: Any, layers: Any, *, steps: int = STEPS, **common: Any
    ) -> None:
        super().__init__(model, sites, layers, **common)
        if steps < 1:
            raise AttributionError(
                f"{steps} steps make no path", fix="Take at least 1: --idc-attribution-steps"
            )
        self._steps = steps

    @property
    def rule(self) -> str:
        """The parameters, as reports word them."""
        return f"{self._steps} steps, {super().rule}"

    def expansion(self) -> int:
        """Return how many rows captum makes of one."""
        return self._steps + 1

    def _options(self, job: Job) -> dict[str, Any]:
        inner = None
        if job.rows * self.expansion() > job.limit:
            inner = max(job.limit, 2 * job.rows)
        return {
            "inputs": job.inputs, "baselines": self.baselines(job), "n_steps": self._steps,
            "additional_forward_args": job.others, "internal_batch_size": inner,
        }  # fmt: skip


class Conductance(_Path):
    """The part of the target's change along the path that flows through each neuron."""

    name = "conductance"

    def compute(self, job: Job) -> tuple[Tensor, ...]:
        """Return captum's LayerConductance."""
        from captum.attr import LayerConductance

        method = LayerConductance(self.tapped, self.tapped.junction)
        return as_tuple(method.attribute(**self._options(job)))


class InternalInfluence(_Path):
    """The mean gradient of the target with respect to each neuron along the path."""

    name = "internal-influence"

    def compute(self, job: Job) -> tuple[Tensor, ...]:
        """Return captum's InternalInfluence."""
        from captum.attr import InternalInfluence as Method

        method = Method(self.tapped, self.tapped.junction)
        return as_tuple(method.attribute(**self._options(job)))


class IntegratedGradients(_Path):
    """Integrated gradients along a straight path between a layer's activations.

    The path goes from the activations of the baseline to those of the input, layer by layer, so
    that token ids are fine as inputs (their baseline is the id of that number).
    """

    name = "integrated-gradients"
    interpolates = False

    def compute(self, job: Job) -> tuple[Tensor, ...]:
        """Return captum's LayerIntegratedGradients of each layer."""
        from captum.attr import LayerIntegratedGradients

        found: list[Tensor] = []
        for site in self._wanted:
            method = LayerIntegratedGradients(self.tapped, self.tapped.taps[site.name])
            found += as_tuple(method.attribute(**self._options(job)))
        return tuple(found)


class GradientShap(FromBaseline):
    """Expected gradients between rows of the background and the input, at random places between.

    What is drawn depends on seed and rows, so other batches give (slightly) other scores.
    """

    name = "gradient-shap"

    @property
    def rule(self) -> str:
        """The parameters, as reports word them."""
        return f"{self._samples} baselines drawn, seed {self._seed}"

    @property
    def draws(self) -> bool:
        """Its baselines are rows of the background."""
        return True

    def expansion(self) -> int:
        """Return how many rows captum makes of one."""
        return self._samples

    def seed_part(self, call: ModelCall) -> None:
        """Seed by the rows: the same ones give the same scores, whatever came before."""
        digest = int(np.sum(row_digests(call), dtype=np.uint64))
        seed = (digest ^ self._seed) % (1 << 32)
        np.random.seed(seed)
        torch.manual_seed(seed)

    def compute(self, job: Job) -> tuple[Tensor, ...]:
        """Return captum's LayerGradientShap."""
        from captum.attr import LayerGradientShap

        method = LayerGradientShap(self.tapped, self.tapped.junction)
        found = method.attribute(
            job.inputs,
            baselines=self.background.tensors(job.inputs),
            n_samples=self._samples,
            additional_forward_args=job.others,
        )
        return as_tuple(found)
