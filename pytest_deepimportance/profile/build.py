"""Build a profile: choose the important neurons, cluster them, count their combinations."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from pytest_deepimportance.attribution.base import Attribution
from pytest_deepimportance.attribution.importance import Importance
from pytest_deepimportance.attribution.lrp.memory import micro_batch
from pytest_deepimportance.attribution.method_settings import parameters_of
from pytest_deepimportance.attribution.target import is_callable_target
from pytest_deepimportance.clustering.combinations import CombinationSpace
from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.data.reference import Reference
from pytest_deepimportance.errors import ProfileError, ReferenceDataError
from pytest_deepimportance.models.sitemap import SiteMap
from pytest_deepimportance.models.sites import find_sites
from pytest_deepimportance.profile.accumulate import Accumulated, Accumulator, Progress, stream
from pytest_deepimportance.profile.attributing import attribution_for
from pytest_deepimportance.profile.echo import listen
from pytest_deepimportance.profile.given import given_for
from pytest_deepimportance.profile.identity import content_fingerprint
from pytest_deepimportance.profile.layers import importance_layers, neuron_layers, surprise_layer
from pytest_deepimportance.profile.leftout import left_out, why_unranked, why_unscored
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.profile.remarks import remarks
from pytest_deepimportance.profile.scored import Scored
from pytest_deepimportance.profile.spaces import class_filters, spaces_of
from pytest_deepimportance.provenance import ModelInfo, ReferenceInfo
from pytest_deepimportance.settings import Settings
from pytest_deepimportance.statistics.combination_counts import CombinationCounts
from pytest_deepimportance.statistics.gathering import Gathering


def build(
    model: nn.Module,
    reference: Reference,
    settings: Settings,
    model_info: ModelInfo,
    *,
    output: Any = None,
    progress: Progress | None = None,
    importance: Importance | None = None,
) -> Profile:
    """Compute the profile of `model` on `reference` in one streaming pass.

    Args:
        output: Callable of the setting `output`, or None.
        importance: Scores to choose neurons by; None computes them.
        progress: Called with rows done and rows in all.

    Raises:
        ReferenceDataError: No rows, or fewer usable rows than `min_values`.
        LayerError: The layer asked for does not exist.
        AttributionError: Importance could not be computed faithfully.
    """
    first = _first_call(reference, settings.batch_size)
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    unscored = why_unscored(model, first.first_rows(2).to(device), output, settings.class_names)
    sites = find_sites(model, first.to(device), output)
    unranked = why_unranked(sites, settings)
    if importance is None and not is_callable_target(settings.target):
        unranked = unscored or unranked
    ranked = settings.asks_for("IDC") and not unranked
    layers = importance_layers(sites, settings) if ranked else ()
    given = None
    if ranked and importance is not None:
        given = given_for(importance, sites, settings, model_info.fingerprint)
        layers = tuple(given.scores)
    neurons, surprise = neuron_layers(sites, settings), surprise_layer(sites, settings)
    size = micro_batch(model, first.to(device), settings.memory // 4, settings.lrp_rule)
    attribution = attribution_for(
        model,
        sites,
        settings,
        layers=layers,
        read=[*layers, *neurons, *([] if surprise is None else [surprise])],
        reference=reference,
        device=device,
        rows_at_once=size,
        output=output,
        known=given is not None,
    )
    accumulator = Accumulator(
        layers=layers,
        correct_only=ranked and settings.correct == "only" and not unscored,
        per_class=settings.classes != "all",
        budget=settings.memory // 4,
        gathering=Gathering(neurons, surprise, settings),
        keep_digests=not settings.no_samples,
    )
    try:
        found = stream(
            reference,
            attribution,
            accumulator,
            model=model,
            batch_size=settings.batch_size,
            micro_batch=size,
            device=device,
            progress=progress,
        )
        _check_usable(found, settings)
        _check_attributed(found, settings)
        profile = _assemble(reference, settings, model_info, sites, found, attribution, given)
        notes = (*left_out(settings, unscored, unranked), *profile.notes)
        return dataclasses.replace(profile, notes=notes, echo=listen(model, first, output))
    finally:
        for spool in accumulator.spools.values():
            spool.close()


def _first_call(reference: Reference, batch_size: int) -> ModelCall:
    for call in reference.batches(batch_size):
        if call.rows:
            return call
    raise ReferenceDataError(
        f"the reference is empty: {reference.descriptor}",
        "Without reference data there is nothing to compare the tests with.",
        "Give the training data: --idc-reference, ini idc_reference, or the fixture idc_reference.",
    )


def _check_usable(found: Accumulated, settings: Settings) -> None:
    usable, fitted = len(found.labels), int(found.fitted.sum())
    if usable < settings.min_values or fitted < settings.min_values:
        raise ReferenceDataError(
            f"only {fitted} of {found.rows} reference rows can be used "
            f"({found.non_finite} not finite, {usable - fitted} not classified correctly); "
            f"at least {settings.min_values} are needed",
            "Clusters of so few values say nothing about how a neuron behaves.",
            "Give more reference data, check that its scale and labels fit the model, or set "
            "idc_correct = all or idc_min_values.",
        )


def _check_attributed(found: Accumulated, settings: Settings) -> None:
    if found.spools and not (found.fitted & found.attributed).any():
        raise ReferenceDataError(
            f"none of the {settings.importance_samples} reference inputs that importance is "
            "computed from is classified correctly",
            "Without them no neuron is more important than another.",
            "Take more (idc_importance_samples), or set idc_correct = all.",
        )


def _assemble(
    reference: Reference,
    settings: Settings,
    model_info: ModelInfo,
    sites: SiteMap,
    found: Accumulated,
    attribution: Attribution,
    given: Importance | None,
) -> Profile:
    rule = parameters_of(attribution) if found.spools else settings.lrp_rule
    scored = Scored(found, settings, model_info.fingerprint, rule, given)
    importance = scored.whole()
    names = settings.class_names or reference.class_names
    info = reference_info(reference, found, names)
    spaces: list[CombinationSpace] = []
    counts: dict[str, CombinationCounts] = {}
    class_importance: dict[int, Importance] = {}
    notes = [*remarks(found, settings, importance), *sites.notes, *attribution.notes]
    for label in class_filters(found, settings, names) if found.spools else ():
        scores = importance
        rows = np.ones(len(found.labels), dtype=bool)
        if label is not None:
            rows = found.labels == label
            fitted = int((rows & found.fitted).sum())
            if fitted < settings.min_values:
                notes.append(
                    f"class {label} is not measured: {fitted} usable reference inputs, "
                    f"{settings.min_values} needed"
                )
                continue
            own = scored.of_class(label, rows)
            if own is None:
                notes.append(
                    f"class {label} is not measured: none of its inputs is among those that "
                    "importance is computed from"
                )
                continue
            scores = own
            class_importance[label] = scores
        name = names[label] if label is not None and label < len(names) else ""
        for space, counted in spaces_of(scores, found, rows, (label, name), settings):
            spaces.append(space)
            counts[space.name] = counted
    if not spaces and found.spools:
        raise ProfileError(
            "no class has enough reference rows to be measured: "
            + "; ".join(note for note in notes if "is not measured" in note),
            fix="Measure all classes together: --idc-classes all",
        )
    profile = Profile(
        model=model_info,
        reference=info,
        sites=sites,
        settings=settings.profile_values(),
        importance=importance,
        class_importance=class_importance,
        spaces=tuple(spaces),
        counts=counts,
        notes=(*notes, *found.statistics.notes),
        statistics=found.statistics,
        digests=found.digests,
    )
    return dataclasses.replace(profile, fingerprint=content_fingerprint(profile))


def reference_info(
    reference: Reference, found: Accumulated, class_names: Sequence[str]
) -> ReferenceInfo:
    """Return what the report says about the reference."""
    return ReferenceInfo(
        descriptor=reference.descriptor,
        fingerprint=reference.fingerprint or f"digest-{found.digest:016x}",
        rows=found.rows,
        available=reference.available,
        usable=len(found.labels),
        fitted=int(found.fitted.sum()),
        non_finite=found.non_finite,
        labelled=found.labelled,
        augmented=reference.augmented,
        sampled=reference.sampled,
        class_names=tuple(class_names),
        notes=tuple(reference.notes),
    )
