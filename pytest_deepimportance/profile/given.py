"""Importance that is given, instead of computed with the profile."""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.attribution.importance import Importance
from pytest_deepimportance.attribution.importance_fit import fitted_to
from pytest_deepimportance.clustering.combinations import DEFAULT_M
from pytest_deepimportance.errors import AttributionError, LayerError
from pytest_deepimportance.formatting import listed, plural
from pytest_deepimportance.models.sitemap import SiteMap
from pytest_deepimportance.profile.accumulate import Accumulated
from pytest_deepimportance.profile.layers import importance_layers
from pytest_deepimportance.settings import Settings

Scores = dict[str, NDArray[np.float64]]


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
    kept, notes = _scoring(kept, fitted.source or "")
    told = [note for note in fitted.notes if not note.startswith("no importance for ")]
    notes = [*(told if settings.scope == "layer" else fitted.notes), *notes, *_ties(kept, settings)]
    by_class: dict[int, Scores] = {}
    if settings.classes != "all":
        by_class, more = _by_class(fitted, list(kept))
        notes += more
    return dataclasses.replace(fitted, scores=kept, by_class=by_class, notes=tuple(notes))


def _scoring(kept: Scores, source: str) -> tuple[Scores, list[str]]:
    """Return the layers in which a neuron scored, and what to say of the others.

    Raises:
        AttributionError: There is none.
    """
    silent = [name for name, values in kept.items() if not values.any()]
    if len(silent) == len(kept):
        raise AttributionError(
            f"importance {source}: every score of {listed(silent)} is 0",
            "Neurons of equal scores cannot be ranked.",
            "Look in other layers: --idc-layer NAME or --idc-scope global, or vote in that one: "
            f"deepimportance vote MODEL --layers {silent[0]} ...",
        )
    note = f"every score of {listed(silent)} is 0: no important neuron is looked for there"
    return {n: values for n, values in kept.items() if values.any()}, [note] if silent else []


def _by_class(fitted: Importance, names: list[str]) -> tuple[dict[int, Scores], list[str]]:
    """Return the scores of the classes that have any, and what to say of classes without."""
    own = {
        label: {name: scores[name] for name in names if name in scores}
        for label, scores in fitted.by_class.items()
    }
    own = {c: kept for c, kept in own.items() if any(v.any() for v in kept.values())}
    if own and len(own) == len(fitted.by_class):
        return own, []
    which = listed(str(c) for c in fitted.by_class if c not in own) if own else ""
    subject = f"class {which} has" if which else "every class has"
    return own, [f"{subject} the important neurons of all classes: there are no scores of its own"]


def _ties(kept: Scores, settings: Settings) -> list[str]:
    """Say where a list of important neurons is filled up with neurons that scored nothing."""
    wanted = (
        DEFAULT_M if settings.m == "auto" else sys.maxsize if settings.m == "all" else settings.m
    )
    groups = (
        [("all layers", list(kept))] if settings.scope == "global" else [(n, [n]) for n in kept]
    )
    notes = []
    for title, names in groups:
        scored = sum(int(np.count_nonzero(kept[name])) for name in names)
        width = sum(len(kept[name]) for name in names)
        if scored < min(wanted, width):
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
