"""Importance that is given, instead of computed with the profile."""

from __future__ import annotations

import dataclasses

import numpy as np

from pytest_deepimportance.attribution.importance import Importance
from pytest_deepimportance.attribution.importance_fit import fitted_to
from pytest_deepimportance.errors import LayerError
from pytest_deepimportance.formatting import listed, plural
from pytest_deepimportance.models.sitemap import SiteMap
from pytest_deepimportance.profile.accumulate import Accumulated
from pytest_deepimportance.profile.layers import importance_layers
from pytest_deepimportance.settings import CLUSTERED_NEURONS, Settings


def given_for(
    importance: Importance, sites: SiteMap, settings: Settings, model_fingerprint: str
) -> Importance:
    """Return given scores of the layers in which the settings look for important neurons.

    Raises:
        AttributionError: The scores belong to another model, or say nothing.
        LayerError: They do not fit the model's layers, or the layer asked for has none.
    """
    fitted = fitted_to(importance, sites, model_fingerprint)
    wanted = importance_layers(sites, settings)
    kept = {name: fitted.scores[name] for name in wanted if name in fitted.scores}
    if not kept:
        raise LayerError(
            f"importance {fitted.source} has no scores for layer {wanted[0]!r}",
            "Important neurons are looked for in that layer.",
            f"Choose a layer that has: --idc-layer {next(iter(fitted.scores))} "
            f"(there are {listed(fitted.scores)}), or all of them: --idc-scope global",
        )
    by_class = {
        label: {name: own[name] for name in kept if name in own}
        for label, own in fitted.by_class.items()
    }
    notes = list(fitted.notes)
    if settings.scope == "layer":
        notes = [note for note in notes if not note.startswith("no importance for ")]
    notes += _ties(kept, settings)
    if settings.classes != "all" and not by_class:
        notes.append("every class has the same important neurons: the scores are of all classes")
    return dataclasses.replace(fitted, scores=kept, by_class=by_class, notes=tuple(notes))


def _ties(kept: dict[str, np.ndarray], settings: Settings) -> list[str]:
    """Say where a list of important neurons is filled up with neurons that scored nothing."""
    groups = (
        [("all layers", list(kept))] if settings.scope == "global" else [(n, [n]) for n in kept]
    )
    notes = []
    for title, names in groups:
        scored = sum(int(np.count_nonzero(kept[name])) for name in names)
        width = sum(len(kept[name]) for name in names)
        if scored < min(CLUSTERED_NEURONS, width):
            notes.append(
                f"importance: only {scored} of {plural(width, 'neuron')} of {title} have a score "
                "other than 0; the rest are ranked by their number"
            )
    return notes


def check_widths(importance: Importance, found: Accumulated) -> None:
    """Refuse scores of channels where each position is a neuron (`reduce = none`).

    Raises:
        LayerError: A layer has another number of recorded neurons than of scores.
    """
    for name, scores in importance.scores.items():
        spool = found.spools.get(name)
        width = len(scores) if spool is None else spool.width
        if width != len(scores):
            raise LayerError(
                f"importance {importance.source}: {plural(len(scores), 'score')} for layer "
                f"{name!r}, which is read as {plural(width, 'neuron')}",
                "With reduce = none each position of a channel is a neuron of its own.",
                "Use --idc-reduce mean, or leave --idc-importance out.",
            )
