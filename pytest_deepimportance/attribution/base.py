"""What every attribution method gives: relevance and activations of one batch, and its accounts."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pytest_deepimportance.attribution.quantised import refuse_quantised
from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.errors import AttributionError
from pytest_deepimportance.methods import canonical


@dataclass(frozen=True)
class Conservation:
    """Where the target's value went, summed over rows; two of them add up.

    Row by row, target = input + bias + shift + stabiliser + residual (DESIGN D6).

    Attributes:
        target: Sum of the target values (logits).
        target_abs: Sum of their absolute values.
        residual_abs: Sum of |residual|, the part that nothing accounts for.
        input: Relevance that reached the model's inputs.
        bias: Absorbed by biases and other added constants.
        shift: Absorbed by the shifts of normalisation layers.
        stabiliser: Absorbed by the epsilon of the epsilon rule.
        rows: Rows accounted for.
    """

    target: float = 0.0
    target_abs: float = 0.0
    residual_abs: float = 0.0
    input: float = 0.0
    bias: float = 0.0
    shift: float = 0.0
    stabiliser: float = 0.0
    rows: int = 0

    def __add__(self, other: Conservation) -> Conservation:
        sums = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        return Conservation(**sums)

    @property
    def balance(self) -> float | None:
        """Unaccounted share of the target; None where nothing was accounted for."""
        return self.residual_abs / self.target_abs if self.target_abs > 0 else None

    @property
    def input_share(self) -> float | None:
        """Share of the target that the input explains; None where nothing was accounted for."""
        return self.input / self.target if self.rows and self.target else None


@dataclass(frozen=True)
class AttributionBatch:
    """Attribution of N rows.

    Attributes:
        activations: Neuron values of the same forward pass.
        relevance: By layer, (N, U): signed sum over a neuron's positions. A row with an activation
            that is not finite holds zeros (`activations.finite()` names it).
        conservation: Sums over the rows whose relevance was accounted for.
        attributed: Which rows have relevance, (N,); None: all.
    """

    activations: ActivationBatch
    relevance: dict[str, Tensor]
    conservation: Conservation
    attributed: NDArray[np.bool_] | None = None


class Attribution(Protocol):
    """A method that says how much each neuron contributed to the target, row by row."""

    @property
    def name(self) -> str:
        """Name of the method in the registry."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the report, gathered over the batches so far."""

    def attribute(self, call: ModelCall) -> AttributionBatch:
        """Attribute one batch.

        Raises:
            AttributionError: Importance cannot be computed faithfully.
        """


_ROOM = "pytest_deepimportance.attribution"

METHODS: Mapping[str, str] = {
    "lrp": f"{_ROOM}.lrp.engine:LrpAttribution",
    "conductance": f"{_ROOM}.captum_paths:Conductance",
    "activation": f"{_ROOM}.captum_gradients:Activation",
    "internal-influence": f"{_ROOM}.captum_paths:InternalInfluence",
    "gradient-x-activation": f"{_ROOM}.captum_gradients:GradientXActivation",
    "grad-cam": f"{_ROOM}.captum_gradients:GradCam",
    "deeplift": f"{_ROOM}.captum_deeplift:DeepLift",
    "deeplift-shap": f"{_ROOM}.captum_deeplift:DeepLiftShap",
    "gradient-shap": f"{_ROOM}.captum_paths:GradientShap",
    "integrated-gradients": f"{_ROOM}.captum_paths:IntegratedGradients",
    "feature-ablation": f"{_ROOM}.captum_ablation:FeatureAblation",
    "random": f"{_ROOM}.random_scores:RandomAttribution",
}
"""Factory of each method by name, imported when it is first used; aliases: `methods.ALIASES`."""

WITHOUT_GRADIENTS = frozenset({"activation", "feature-ablation", "random"})
"""Methods that need forward passes only."""


def create(method: str, **settings: Any) -> Attribution:
    """Return the attribution `method`, made with `settings`.

    Args:
        method: Name or alias.
        **settings: model, sites, layers, also, target, tap, reduce, output for every method;
            others are listed by `accepted`.

    Raises:
        AttributionError: There is no such method, or it does not know one of the settings.
        MethodUnavailable: The method cannot run on this model.
    """
    name = method_name(method)
    known = accepted(name)
    unknown = [key for key in settings if key not in known]
    if unknown:
        own = sorted(known - accepted("random") | {"seed"} & known)
        raise AttributionError(
            f"the method {name} has no setting {unknown[0]!r}",
            "It would change nothing.",
            f"Settings of {name}: {', '.join(own)}" if own else "Leave it out.",
        )
    if name not in WITHOUT_GRADIENTS and "model" in settings:
        refuse_quantised(settings["model"], name)
    made: Attribution = _factory(name)(**settings)
    return made


def method_name(method: str) -> str:
    """Return the name of a method given by name or alias.

    Raises:
        AttributionError: There is no such method.
    """
    try:
        return canonical(method)
    except ValueError as error:
        what, _, fix = str(error).partition(": ")
        raise AttributionError(
            f"there is no attribution method {method!r}", fix=fix or what
        ) from None


def accepted(method: str) -> frozenset[str]:
    """Return the names of the settings that `create` takes for a method."""
    names: set[str] = set()
    for kind in _factory(method_name(method)).__mro__:
        if "__init__" in vars(kind) and kind is not object:
            names |= set(inspect.signature(kind).parameters)
            if not _takes_more(kind):
                break
    return frozenset(names - {"common"})


def _takes_more(kind: type) -> bool:
    """Whether a class hands settings on to its base class."""
    parameters = inspect.signature(kind).parameters.values()
    return any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)


def _factory(name: str) -> Any:
    module, _, factory = METHODS[name].partition(":")
    return getattr(importlib.import_module(module), factory)
