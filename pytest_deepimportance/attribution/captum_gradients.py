"""captum's methods that need one pass: activation, gradient x activation, Grad-CAM."""

from __future__ import annotations

from torch import Tensor

from pytest_deepimportance.attribution.captum_base import CaptumAttribution
from pytest_deepimportance.attribution.captum_job import Job, as_tuple


class Activation(CaptumAttribution):
    """The activation itself (captum: LayerActivation). It does not depend on the target."""

    name = "activation"

    def compute(self, job: Job) -> tuple[Tensor, ...]:
        """Return the activations."""
        from captum.attr import LayerActivation

        method = LayerActivation(self.tapped, self.tapped.junction)
        return as_tuple(method.attribute(job.inputs, additional_forward_args=job.others))


class GradientXActivation(CaptumAttribution):
    """Activation times the gradient of the target (captum: LayerGradientXActivation)."""

    name = "gradient-x-activation"

    def compute(self, job: Job) -> tuple[Tensor, ...]:
        """Return activation x gradient."""
        from captum.attr import LayerGradientXActivation

        method = LayerGradientXActivation(self.tapped, self.tapped.junction)
        return as_tuple(method.attribute(job.inputs, additional_forward_args=job.others))


class GradCam(CaptumAttribution):
    """Activation times the gradient's mean over positions (captum: LayerGradCam).

    Selvaraju et al. 2017, equation 1, before channels are added up and without the ReLU, which
    belong to a map over the image and not to a neuron.
    """

    name = "grad-cam"

    def compute(self, job: Job) -> tuple[Tensor, ...]:
        """Return activation x mean gradient."""
        from captum.attr import LayerGradCam

        method = LayerGradCam(self.tapped, self.tapped.junction)
        found = method.attribute(
            job.inputs, additional_forward_args=job.others, attr_dim_summation=False
        )
        return as_tuple(found)
