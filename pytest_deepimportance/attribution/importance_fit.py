"""Scores from elsewhere, fitted to the layers of a model, or refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.attribution.importance import Importance
from pytest_deepimportance.attribution.importance_files import IncompleteScores
from pytest_deepimportance.errors import AttributionError, LayerError
from pytest_deepimportance.formatting import clean, listed, plural
from pytest_deepimportance.models.sitemap import Site, SiteMap

Scores = Mapping[str, NDArray[np.float64]]

_ANEW = (
    "Compute scores for this model: deepimportance vote MODEL --reference R --methods lrp "
    "--out votes.csv, or leave --idc-importance out: they are then computed with the profile."
)


@dataclass
class _Fitted:
    """Scores by site, and by site the names they were given under."""

    scores: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    given_as: dict[str, list[str]] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)


def fitted_to(importance: Importance, sites: SiteMap, model_fingerprint: str) -> Importance:
    """Return the scores under the names of `sites`, in network order, with notes for the report.

    Layers may be named by any name of their site. Where several layers of the file feed one site
    (the two ends of a residual add) its neurons get the sum: an addition hands relevance on whole.
    Scores of the output layer, and of layers whose rows are not the inputs, are set aside and said.

    Args:
        model_fingerprint: Of the model that the sites belong to.

    Raises:
        AttributionError: Another model's fingerprint; one layer under two names; every score of
            the model's layers is 0.
        LayerError: A layer that the model does not have, or of another width.
    """
    origin = importance.source or "given in Python"
    check_owner(importance, model_fingerprint, origin)
    found = _fit(importance.scores, sites, origin)
    if not any(values.any() for values in found.scores.values()):
        raise AttributionError(
            f"importance {origin}: every score of the model's hidden layers is 0",
            "Neurons of equal scores cannot be ranked.",
            _ANEW,
        )
    by_class = {c: _fit(own, sites, origin).scores for c, own in importance.by_class.items()}
    order = [site.name for site in sites.sites if site.name in found.scores]
    return replace(
        importance,
        scores={name: found.scores[name] for name in order},
        by_class=by_class,
        notes=(*_notes(importance, found, sites, origin), *importance.notes),
        source=origin,
    )


def load_for(path: str, sites: Callable[[], SiteMap]) -> Importance:
    """Read an importance file, knowing the model it is for.

    Args:
        sites: Finds the model's, which is asked for only where a layer lacks a neuron.

    Raises:
        AttributionError: As for `Importance.load`.
        LayerError: A layer that the model does not have: told before the neuron that the right
            layer then lacks.
    """
    try:
        return Importance.load(path)
    except IncompleteScores as error:
        found = sites()
        for name in error.layers:
            _site(name, found, path)
        raise


def check_owner(importance: Importance, model_fingerprint: str, origin: str) -> None:
    """Refuse scores that say they belong to another model.

    Raises:
        AttributionError: The fingerprints differ; both are shown.
    """
    if importance.fingerprint not in (None, model_fingerprint):
        raise AttributionError(
            f"importance {origin} was computed for a model with fingerprint "
            f"{str(importance.fingerprint)[:16]}, but this model has {model_fingerprint[:16]}",
            "Which neurons matter in one set of weights says nothing about another.",
            _ANEW,
        )


def _fit(scores: Scores, sites: SiteMap, origin: str) -> _Fitted:
    found = _Fitted()
    for name, values in scores.items():
        site = _site(name, sites, origin)
        if len(values) != site.units:
            raise LayerError(
                f"importance {origin}: {plural(len(values), 'score')} for layer {clean(name)!r} "
                f"of {plural(site.units, 'neuron')}",
                "These are scores of another model, or some neurons are left out.",
                "Give one score for each neuron (each channel of a convolution).",
            )
        if site.is_output or not site.rows_are_inputs:
            found.unused.append(name)
        elif site.name not in found.scores:
            found.scores[site.name], found.given_as[site.name] = values, [name]
        else:
            _add(found, site, name, values, origin)
    return found


def _site(name: str, sites: SiteMap, origin: str) -> Site:
    try:
        if name.lstrip("-").isdigit() and all(
            name not in (s.name, *s.aliases) for s in sites.sites
        ):
            raise LayerError(f"the model has no layer {name!r}")  # never taken as an index
        return sites.find(name)
    except LayerError as error:
        raise LayerError(
            f"importance {origin}: {clean(error.what)}",
            "Scores of layers that the model does not have are scores of another model.",
            clean(error.fix) or "deepimportance layers MODEL lists the layers of a model.",
        ) from error


def _add(found: _Fitted, site: Site, name: str, values: NDArray[np.float64], origin: str) -> None:
    names = [*found.given_as[site.name], name]
    if not set(names) <= set(site.feeders):
        raise AttributionError(
            f"importance {origin}: {listed(names, joint=' and ')} are one layer, {site.name}",
            "Each neuron needs exactly one score.",
            f"Keep the rows of {site.name} and remove the others.",
        )
    found.scores[site.name] = found.scores[site.name] + values
    found.given_as[site.name] = names


def _notes(importance: Importance, found: _Fitted, sites: SiteMap, origin: str) -> list[str]:
    how = f", {importance.method}" if importance.method else ""
    sure = "" if importance.fingerprint else ", no fingerprint: it must be known to be this model's"
    notes = [f"importance from {origin}{how}{sure}"]
    for site, names in found.given_as.items():
        if len(names) > 1:
            notes.append(f"importance of {site}: the sum of {listed(names, joint=' and ')}")
    if found.unused:
        notes.append(f"importance of {listed(found.unused)} is not used: no hidden layer")
    missing = [site.name for site in sites.candidates() if site.name not in found.scores]
    if missing:
        notes.append(
            f"no importance for {listed(missing)}: no important neuron is looked for there"
        )
    return notes
