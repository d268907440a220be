"""Which attribution the pass over the reference runs, and what it is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pytest_deepimportance.attribution.base import Attribution, accepted, create
from pytest_deepimportance.attribution.method_settings import method_settings
from pytest_deepimportance.attribution.shrinking import Shrinking
from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.data.reference import Reference
from pytest_deepimportance.data.sampling import choose_rows
from pytest_deepimportance.models.sitemap import SiteMap
from pytest_deepimportance.profile.forward import ForwardOnly
from pytest_deepimportance.profile.sampled import SampledAttribution
from pytest_deepimportance.settings import Settings

_WITH_SAMPLES = ("deeplift-shap", "gradient-shap")


def attribution_for(
    model: nn.Module,
    sites: SiteMap,
    settings: Settings,
    *,
    layers: Sequence[str],
    read: Sequence[str],
    reference: Reference,
    device: torch.device,
    rows_at_once: int,
    output: Any,
    known: bool = False,
) -> Attribution:
    """Return the attribution of the settings, or a plain forward pass where nothing is ranked.

    Args:
        layers: Whose neurons are ranked; none where importance is not computed.
        read: Every layer whose activations are wanted.
        rows_at_once: How many rows fit into memory in one pass.
        known: Whether their scores are known already.

    Raises:
        AttributionError: The settings do not fit the method.
    """
    forward = ForwardOnly(
        model, sites, tuple(dict.fromkeys(read)),
        tap=settings.tap, reduce=settings.reduce, output=output, must_reach=layers,
    )  # fmt: skip
    if known or not layers:
        return Shrinking(forward)
    method = settings.importance_method
    given: dict[str, Any] = {}
    if "rows_at_once" in accepted(method):
        given["rows_at_once"] = rows_at_once
    if "background" in accepted(method) and _draws(settings):
        given["background"] = background(reference, settings, device)
    made = create(
        method, model=model, sites=sites, layers=layers, also=read, output=output,
        **method_settings(method, settings), **given,
    )  # fmt: skip
    count = settings.importance_samples
    if count == "all" or (reference.rows is not None and int(count) >= reference.rows):
        return Shrinking(made)
    chosen = None
    if reference.rows is not None:
        chosen = choose_rows(reference.rows, int(count), None, settings.seed)
    return SampledAttribution(
        Shrinking(made), Shrinking(forward), tuple(layers), chosen, int(count)
    )


def _draws(settings: Settings) -> bool:
    mean = settings.attribution_baseline == "mean"
    return mean or settings.importance_method in _WITH_SAMPLES


def background(reference: Reference, settings: Settings, device: torch.device) -> ModelCall | None:
    """Return `attribution_samples` seeded rows of the reference, the same at any batch size.

    None where the reference cannot be read twice or does not tell its length; the method then
    draws from its first batch.
    """
    if reference.rows is None or not reference.reiterable:
        return None
    chosen = choose_rows(reference.rows, settings.attribution_samples, None, settings.seed)
    parts: list[ModelCall] = []
    start = 0
    for call in reference.batches(settings.batch_size):
        here = [int(row) - start for row in chosen if start <= row < start + call.rows]
        if here:
            parts.append(call.select(torch.tensor(here)))
        start += call.rows
        if start > chosen[-1]:
            break
    return joined(parts).to(device)


def joined(parts: Sequence[ModelCall]) -> ModelCall:
    """Join calls row after row; arguments without rows are those of the first."""
    first = parts[0]
    if len(parts) == 1:
        return first

    def join(values: Sequence[Any]) -> Any:
        together = isinstance(values[0], Tensor) and values[0].dim() > 0
        rows = [len(v) for v in values] if together else []
        return torch.cat(list(values)) if rows == [part.rows for part in parts] else values[0]

    return ModelCall(
        tuple(join(values) for values in zip(*(part.args for part in parts), strict=True)),
        {key: join([part.kwargs[key] for part in parts]) for key in first.kwargs},
        None,
        sum(part.rows for part in parts),
    )
