"""DeepLIFT and DeepLiftShap (captum: LayerDeepLift, LayerDeepLiftShap), with the rescale rule.

Shrikumar et al. 2017, equations 2 and 12; Lundberg and Lee 2017. captum puts hooks on activation
and pooling modules and leaves data there; those it is given are ours (`captum_calls`).
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from pytest_deepimportance.attribution.captum_calls import OneModuleEach
from pytest_deepimportance.attribution.captum_job import Job, as_tuple
from pytest_deepimportance.attribution.captum_model import Tapped
from pytest_deepimportance.attribution.captum_paths import FromBaseline
from pytest_deepimportance.errors import MethodUnavailable

LARGEST_DELTA = 0.01
"""Share of the target's change that attributions of the inputs may leave unexplained."""

_ROUNDING = 1e-4
"""Share of the target itself that may be rounding, where the change is small."""


class DeepLift(FromBaseline):
    """The part of the target's change from the baseline that each neuron's change explains."""

    name = "deeplift"
    attributes_inputs = True

    def expansion(self) -> int:
        """Return how many rows captum makes of one."""
        return 2

    def prepare(self, tapped: Tapped) -> None:
        """Let captum find a module for every call."""
        self._calls = OneModuleEach()
        tapped.call_modules = self._calls.modules

    def around(self, rows: int) -> AbstractContextManager[Any]:
        """Run the model with every activation and max pool as a module of ours."""
        self._calls.rows = rows
        return self._calls

    def compute(self, job: Job) -> tuple[Tensor, ...]:
        """Return captum's LayerDeepLift."""
        from captum.attr import LayerDeepLift

        method = LayerDeepLift(self.tapped, self.tapped.junction)
        found = method.attribute(
            job.inputs, baselines=self.baselines(job), additional_forward_args=job.others
        )
        return self.checked(as_tuple(found))

    def checked(self, found: tuple[Tensor, ...], samples: int = 1) -> tuple[Tensor, ...]:
        """Return the layers' attributions if those of the inputs explain the target's change.

        Raises:
            MethodUnavailable: They do not: captum took an operation it has no rule for as linear.
        """
        inputs = found[len(self._wanted) :]
        explained = (
            torch.stack([part.detach().flatten(1).sum(1) for part in inputs]).sum(0).double()
        )
        ends, starts = (part.view(-1, samples) for part in self.tapped.target.double().chunk(2))
        change = (ends - starts).mean(1)
        finite = torch.isfinite(change) & torch.isfinite(explained)
        total = float((ends - starts).abs().mean(1)[finite].sum())
        rounding = _ROUNDING * float((ends.abs() + starts.abs()).mean(1)[finite].sum())
        off = float((explained - change)[finite].abs().sum())
        if off > LARGEST_DELTA * total + rounding:
            raise MethodUnavailable(
                f"{self.name} leaves {100 * off / max(total, 1e-30):.0f} % of the target's change "
                "unexplained",
                "captum has rules for activations and max pooling; products of two signals, "
                "softmax, attention and layer norms it takes for linear.",
                "Use lrp or integrated-gradients.",
            )
        return found


class DeepLiftShap(DeepLift):
    """DeepLIFT averaged over rows of the background as baselines."""

    name = "deeplift-shap"

    @property
    def rule(self) -> str:
        """The parameters, as reports word them."""
        return f"{self._samples} baselines, seed {self._seed}"

    @property
    def draws(self) -> bool:
        """Its baselines are rows of the background."""
        return True

    def expansion(self) -> int:
        """Return how many rows captum makes of one."""
        return 2 * self._samples

    def compute(self, job: Job) -> tuple[Tensor, ...]:
        """Return captum's LayerDeepLiftShap."""
        from captum.attr import LayerDeepLiftShap

        method = LayerDeepLiftShap(self.tapped, self.tapped.junction)
        baselines = self.background.tensors(job.inputs)
        if len(baselines[0]) < 2:
            raise MethodUnavailable(
                f"{self.name} needs at least two baselines, there is one",
                fix="Draw more (--idc-attribution-samples), or use deeplift.",
            )
        found = method.attribute(
            job.inputs, baselines=baselines, additional_forward_args=job.others
        )
        return self.checked(as_tuple(found), len(baselines[0]))
