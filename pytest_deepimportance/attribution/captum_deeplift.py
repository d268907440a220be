"""DeepLIFT and DeepLiftShap (captum: LayerDeepLift, LayerDeepLiftShap), with the rescale rule.

Shrikumar et al. 2017, equations 2 and 12; Lundberg and Lee 2017. captum puts hooks on every module
that is an activation or a max pool, and leaves data there, so it is given a copy of the model.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from pytest_deepimportance.attribution.captum_base import Job, as_tuple
from pytest_deepimportance.attribution.captum_paths import FromBaseline
from pytest_deepimportance.errors import MethodUnavailable

LARGEST_DELTA = 0.05
"""Share of the target's change that attributions of the inputs may leave unexplained."""


class DeepLift(FromBaseline):
    """The part of the target's change from the baseline that each neuron's change explains."""

    name = "deeplift"
    attributes_inputs = True

    def expansion(self) -> int:
        """Return how many rows captum makes of one."""
        return 2

    def model_for_captum(self) -> nn.Module:
        """Return a copy of the model, in eval mode, whose activations do not work in place."""
        return copied_model(self._model, self.name)

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
        ends, starts = self.tapped.target.double().chunk(2)
        change = (ends - starts).view(-1, samples).mean(1)
        finite = torch.isfinite(change) & torch.isfinite(explained)
        total = float(change[finite].abs().sum())
        off = float((explained - change)[finite].abs().sum())
        if off > LARGEST_DELTA * total and total > 0:
            raise MethodUnavailable(
                f"{self.name} leaves {100 * off / total:.0f} % of the target's change unexplained",
                "captum knows its rule for activation and pooling modules, each called once; "
                "functions (F.relu, x * y, softmax) and modules called twice it takes for linear.",
                "Use lrp or integrated-gradients, or give each call an activation module of its "
                "own.",
            )
        return found


class DeepLiftShap(DeepLift):
    """DeepLIFT averaged over rows of the background as baselines."""

    name = "deeplift-shap"

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


def copied_model(model: nn.Module, method: str) -> nn.Module:
    """Return a deep copy of a model that captum may put hooks on.

    Raises:
        MethodUnavailable: The model cannot be copied.
    """
    try:
        twin = copy.deepcopy(model)
    except Exception as error:
        raise MethodUnavailable(
            f"{method} needs a copy of the model, and copy.deepcopy raised "
            f"{type(error).__name__}: {' '.join(str(error).split())[:200]}",
            "captum puts hooks on the model's activations and leaves data there.",
            "Make the model copyable, or use lrp or integrated-gradients.",
        ) from error
    for module in twin.modules():
        module.training = False
        if getattr(module, "inplace", False) is True:
            module.inplace = False  # type: ignore[assignment]
    return twin
