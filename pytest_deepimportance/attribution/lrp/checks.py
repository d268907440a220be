"""What must hold before relevance is believed, and the words when it does not."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pytest_deepimportance.attribution.lrp.cuts import HARMLESS_TO_LRP, cuts
from pytest_deepimportance.attribution.lrp.passing import copied
from pytest_deepimportance.attribution.lrp.running import run_model
from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.data.layer_values import LayerValues
from pytest_deepimportance.errors import AttributionError, MethodUnavailable
from pytest_deepimportance.models.sitemap import Site
from pytest_deepimportance.recording.neurons import reduce_to_neurons
from pytest_deepimportance.recording.reader import SiteReader

if TYPE_CHECKING:
    from pytest_deepimportance.attribution.lrp.engine import LrpAttribution

Places = Mapping[tuple[str, str], Mapping[str, None]]
"""By function and what happened at it, the places in the model."""

FORWARD_TOLERANCE = 1e-4
"""Largest difference to the bare forward pass, relative to the largest value."""


def check_forward(attribution: LrpAttribution, call: ModelCall) -> None:
    """Compare the class scores under the engine with those of the bare forward pass.

    Raises:
        AttributionError: They differ; the message names the first layer that does.
    """
    off = score_difference(attribution, call)
    if off <= FORWARD_TOLERANCE:
        return
    layer = _first_difference(attribution, call)
    raise AttributionError(
        f"the forward pass under LRP differs from the bare one by {off:.1e} of the largest score"
        + (f", first at layer {layer!r}" if layer else ""),
        "Relevance of another computation says nothing about this model.",
        "If the forward is random or keeps state between calls, make it deterministic in eval "
        "mode; otherwise please report the model's architecture.",
    )


def score_difference(attribution: LrpAttribution, call: ModelCall) -> float:
    """Return how far the scores under the engine are off, relative to the largest bare score."""
    bare = attribution.bare_scores(call)
    if bare is None:
        return 0.0
    return _difference(bare, attribution.forward(call, conserve=False).scores.detach())


def _difference(bare: Tensor, under: Tensor) -> float:
    if bare.shape != under.shape:
        return float("inf")
    bare, under = bare.double(), under.double()
    finite = torch.isfinite(bare)
    if not torch.equal(finite, torch.isfinite(under)):
        return float("inf")
    if not bool(finite.any()):
        return 0.0
    largest = float(bare[finite].abs().max())
    off = float((bare[finite] - under[finite]).abs().max())
    return off / largest if largest > 0 else off


def _first_difference(attribution: LrpAttribution, call: ModelCall) -> str | None:
    bare = attribution.bare_values(call)
    under = attribution.forward(call, conserve=False, every_site=True).watch.values
    for site in attribution.sites.sites:
        if site.name in bare and site.name in under:
            pair = bare[site.name].values, under[site.name].values
            if _difference(*pair) > FORWARD_TOLERANCE:
                return site.name
    return None


def site_values(
    model: nn.Module, sites: Sequence[Site], tap: str, call: ModelCall
) -> dict[str, LayerValues]:
    """Return the activations of every site in a bare forward pass."""
    values: dict[str, LayerValues] = {}

    def on_site(site: Site, tensor: Tensor) -> None:
        values[site.name] = reduce_to_neurons(tensor, site)

    reader = SiteReader(model, sites, on_site, tap=tap, in_graph=True)
    reader.attach()
    try:
        reader.begin()
        with torch.no_grad():
            run_model(model, call)
    finally:
        reader.end()
        reader.detach()
    return values


def copied_call(call: ModelCall) -> ModelCall:
    """Return the call with its tensors copied: a forward may write into its inputs."""
    return dataclasses.replace(call, args=copied(call.args), kwargs=copied(call.kwargs))


def refuse_empty(call: ModelCall) -> None:
    """Refuse a batch without inputs."""
    if call.rows == 0:
        raise AttributionError("the batch is empty: there is no input to attribute")


def no_path(model: nn.Module, call: ModelCall, notes: Places, end: str = "") -> AttributionError:
    """Return the error for an output that nothing leads back from.

    Args:
        call: The inputs it was asked for.
        notes: What was noted in the forward pass, as possible causes.
        end: Where a path was to lead, if not just anywhere.
    """
    found = cuts(model, call.first_rows(2))
    places = [f"{cause} in {place}" if place else cause for cause, place in found.items()]
    causes = "; ".join((places or [*sentences(notes), *scripted(model)])[:3])
    what = " and ".join(found) or "numpy code, .detach(), torch.no_grad() and TorchScript"
    seen_by_lrp = bool(found) and HARMLESS_TO_LRP.issuperset(found)
    kind = MethodUnavailable if seen_by_lrp else AttributionError
    return kind(
        "no path leads back from the model's output"
        + (f" {end}" if end else "")
        + (f": {causes}" if causes else ""),
        "Relevance follows the gradients of the forward pass, so they must not end on the way.",
        f"Take {what} out of the forward pass"
        + (", or use lrp, which looks through that." if seen_by_lrp else "."),
    )


def scripted(model: nn.Module) -> list[str]:
    """Return one sentence for each part of the model that is TorchScript, outermost parts only."""
    found: list[str] = []
    for name, module in model.named_modules():
        inside = any(not other or name.startswith(other + ".") for other in found)
        if isinstance(module, torch.jit.ScriptModule) and not inside:
            found.append(name)
    return [
        f"{name or type(model).__name__} is TorchScript, whose operations are not seen: "
        "its plain gradient is used"
        for name in found
    ]


def sentences(notes: Places) -> list[str]:
    """Return one sentence for each function and what happened at it, with its places."""
    sentences = []
    for (function, what), places in notes.items():
        more = f" and {len(places) - 1} more places" if len(places) > 1 else ""
        sentences.append(f"{function} in {next(iter(places))}{more} {what}")
    return sentences


def check_visited(names: Sequence[str], values: Mapping[str, LayerValues], rows: int) -> None:
    """Refuse layers that this batch did not reach, and layers whose rows are not the inputs."""
    for name in names:
        if name not in values:
            raise AttributionError(
                f"layer {name!r} was not reached by this batch",
                "Importance is a sum over all inputs, so each input must pass the layer.",
                "Choose another layer: deepimportance layers MODEL lists them.",
            )
        found = len(values[name].values)
        if found != rows:
            raise AttributionError(
                f"layer {name!r} has {found} rows for {rows} inputs",
                "Its rows are not the inputs (regions, tokens), so no input has a score there.",
                "Choose another layer: deepimportance layers MODEL lists them.",
            )


def check_finite(
    method: str, relevance: Mapping[str, Tensor], finite: Tensor, usable: Tensor
) -> None:
    """Refuse relevance that is not finite where activations are.

    Args:
        method: Name and rule.
        relevance: By layer, (N, U).
        finite: (L, N) bool on the CPU: the layer's relevance of the row is finite.
        usable: (N,) bool on the CPU: activations and target of the row are finite.
    """
    wrong = (~finite & usable).sum(1).tolist()
    if not any(wrong):
        return
    # Relevance flows backwards, so the cause lies at or after the last layer concerned.
    names = list(relevance)
    last = max(index for index, count in enumerate(wrong) if count)
    values = relevance[names[last]].cpu()[usable]
    nans = int(torch.isnan(values).sum())
    infinite = int(torch.isinf(values).sum())
    others = sum(1 for count in wrong if count) - 1
    raise AttributionError(
        f"relevance of layer {names[last]!r} by {method} is not finite for {wrong[last]} of "
        f"{int(usable.sum())} inputs ({nans} NaN, {infinite} infinite values)"
        + (f", and in {others} more layers" if others else ""),
        "Important neurons cannot be chosen from it, and it is never counted.",
        "Use --idc-lrp-rule epsilon with a larger --idc-lrp-epsilon, or run the model in float64.",
    )


def finite_inputs(method: str, relevance: Sequence[Tensor], target: Tensor) -> tuple[Tensor, ...]:
    """Return relevance of the inputs with zeros in the rows whose target (N,) is not finite.

    Raises:
        AttributionError: Relevance is not finite where the target is.
    """
    usable = torch.isfinite(target)
    checked = []
    for position, values in enumerate(relevance):
        if values.dim() and len(values) == len(target):
            lost = ~usable.to(values.device).view(-1, *[1] * (values.dim() - 1))
            values = values.masked_fill(lost, 0.0)
        wrong = int((~torch.isfinite(values)).sum())
        if wrong:
            raise AttributionError(
                f"relevance of input {position} by {method} is not finite for {wrong} values",
                "A heat map of it would show nothing.",
                "Use --idc-lrp-rule epsilon with a larger --idc-lrp-epsilon, or run the model in "
                "float64.",
            )
        checked.append(values)
    return tuple(checked)
