"""A profile made from activations, of any framework, instead of a model."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.attribution.base import Conservation
from pytest_deepimportance.attribution.importance import Importance
from pytest_deepimportance.clustering.combinations import CombinationSpace
from pytest_deepimportance.data.activations import UNKNOWN, ActivationBatch
from pytest_deepimportance.errors import AttributionError, LayerError, ReferenceDataError
from pytest_deepimportance.formatting import plural
from pytest_deepimportance.models.sitemap import Reading, Site, SiteMap
from pytest_deepimportance.profile.accumulate import Accumulated
from pytest_deepimportance.profile.identity import content_fingerprint
from pytest_deepimportance.profile.layers import importance_layers, neuron_layers, surprise_layer
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.profile.spaces import class_filters, spaces_of
from pytest_deepimportance.profile.spool import Spool
from pytest_deepimportance.provenance import ModelInfo, ReferenceInfo
from pytest_deepimportance.settings import Settings
from pytest_deepimportance.statistics.combination_counts import CombinationCounts
from pytest_deepimportance.statistics.gathering import Gathering, ReferenceStatistics

SPEC = "activations"


def profile_of_activations(
    reference: ActivationBatch, settings: Settings, importance: Importance | None, non_finite: int
) -> Profile:
    """Return the profile of a reference given as activations.

    Args:
        reference: Finite rows, layers in network order.
        importance: Scores of neurons for IDC; None leaves IDC out.
        non_finite: Rows that were left out before.

    Raises:
        LayerError: A layer of settings or importance does not exist, or has another width.
        ReferenceDataError: There are fewer rows than `min_values`.
    """
    fitted = _fitted(reference, settings)
    usable = len(reference) if importance is None else int(fitted.sum())
    if usable < settings.min_values:
        raise ReferenceDataError(
            f"only {plural(usable, 'reference row')} can be used ({non_finite} not finite, "
            f"{len(reference) - usable} not classified correctly); "
            f"at least {settings.min_values} are needed",
            "Ranges and clusters of so few values say nothing about how a neuron behaves.",
            "Give more reference activations, or set min_values.",
        )
    sites = synthetic_sites({n: v.values.shape[1] for n, v in reference.layers.items()})
    gathering = Gathering(neuron_layers(sites, settings), surprise_layer(sites, settings), settings)
    gathering.update(reference)
    statistics = gathering.finish()
    notes = list(statistics.notes)
    spaces: list[CombinationSpace] = []
    counts: dict[str, CombinationCounts] = {}
    if importance is None:
        if settings.asks_for("IDC"):
            notes.insert(0, "IDC left out: no importance of the neurons was given")
        importance = Importance({})
    else:
        importance = _checked(importance, sites, settings)
        found = _found(reference, fitted, importance, statistics)
        for label in class_filters(found, settings, settings.class_names):
            rows = np.ones(len(reference), bool) if label is None else found.labels == label
            named = label is not None and label < len(settings.class_names)
            name = settings.class_names[label] if named and label is not None else ""
            for space, counted in spaces_of(importance, found, rows, (label, name), settings):
                spaces.append(space)
                counts[space.name] = counted
    profile = Profile(
        model=ModelInfo(SPEC, SPEC, _fingerprint(reference), 0),
        reference=ReferenceInfo(
            descriptor=SPEC,
            fingerprint=f"digest-{int(np.sum(reference.digests, dtype=np.uint64)):016x}",
            rows=len(reference) + non_finite,
            available=None,
            usable=len(reference),
            fitted=int(fitted.sum()),
            non_finite=non_finite,
            labelled=bool((reference.labels != UNKNOWN).any()),
            class_names=settings.class_names,
        ),
        sites=sites,
        settings=settings.profile_values(),
        importance=importance,
        spaces=tuple(spaces),
        counts=counts,
        notes=tuple(notes),
        statistics=statistics,
    )
    return dataclasses.replace(profile, fingerprint=content_fingerprint(profile))


def synthetic_sites(widths: Mapping[str, int]) -> SiteMap:
    """Return layers that exist as activations only.

    The second to last, or the only one, is the default, and the last of several the output layer.
    """
    names = list(widths)
    sites = tuple(
        Site(
            name=name,
            aliases=(),
            type=SPEC,
            units=width,
            channel_axis=1,
            reading=Reading("module", name),
            pre_reading=Reading("module", name),
            is_output=len(names) > 1 and name == names[-1],
        )
        for name, width in widths.items()
    )
    return SiteMap(sites, default=names[-2] if len(names) > 1 else names[0])


def _fitted(reference: ActivationBatch, settings: Settings) -> NDArray[np.bool_]:
    known = (reference.labels != UNKNOWN) & (reference.predictions != UNKNOWN)
    if settings.correct == "all" or not known.any():
        return np.ones(len(reference), dtype=bool)
    return np.asarray(known & (reference.labels == reference.predictions))


def _checked(importance: Importance, sites: SiteMap, settings: Settings) -> Importance:
    """Return the scores of the layers in which important neurons are looked for."""
    chosen = {}
    for name in importance_layers(sites, settings):
        if name not in importance.scores:
            raise AttributionError(
                f"importance has no scores for layer {name!r}",
                fix=f"It has: {', '.join(importance.scores) or 'none'}. Choose with layer=NAME.",
            )
        scores, width = importance.scores[name], sites.find(name).units
        if len(scores) != width:
            raise LayerError(
                f"importance has {len(scores)} scores for layer {name!r} of {width} neurons",
                fix="Give one score per neuron (per channel of a convolution).",
            )
        chosen[name] = scores
    return dataclasses.replace(importance, scores=chosen)


def _found(
    reference: ActivationBatch,
    fitted: NDArray[np.bool_],
    importance: Importance,
    statistics: ReferenceStatistics,
) -> Accumulated:
    spools = {}
    for name in importance.scores:
        spools[name] = Spool(reference.array(name).nbytes)
        spools[name].append(reference.array(name))
    return Accumulated(
        spools=spools,
        labels=reference.labels,
        predictions=reference.predictions,
        index=np.arange(len(reference), dtype=np.int64),
        fitted=fitted,
        attributed=np.ones_like(fitted),
        relevance=importance.scores,
        class_relevance={},
        rows=len(reference),
        non_finite=0,
        digest=0,
        conservation=Conservation(),
        labelled=bool((reference.labels != UNKNOWN).any()),
        statistics=statistics,
    )


def _fingerprint(reference: ActivationBatch) -> str:
    """Return a hash of names, widths and content: there are no weights to tell a model by."""
    digest = hashlib.sha256()
    for name, layer in reference.layers.items():
        digest.update(f"{name} {layer.values.shape[1]}".encode())
    digest.update(np.sort(reference.digests).tobytes())
    return digest.hexdigest()
