"""Model and reference in, profile out: what the plugin, the command and the API share."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pytest_deepimportance.attribution.importance import Importance
from pytest_deepimportance.attribution.importance_data import to_plain
from pytest_deepimportance.attribution.importance_fit import fitted_to, load_for
from pytest_deepimportance.criteria.base import names
from pytest_deepimportance.data.reference import Reference
from pytest_deepimportance.engine.behaviour import answers
from pytest_deepimportance.engine.null import null_data, options_of, with_random_suites
from pytest_deepimportance.engine.opening import as_reference, output_adapter
from pytest_deepimportance.errors import ProfileError
from pytest_deepimportance.models.fingerprint import fingerprint
from pytest_deepimportance.models.sitemap import SiteMap
from pytest_deepimportance.models.sites import find_sites
from pytest_deepimportance.models.wrappers import eager, wrapper_notes
from pytest_deepimportance.profile.accumulate import Progress
from pytest_deepimportance.profile.build import build
from pytest_deepimportance.profile.cache import cache_key, get_or_build
from pytest_deepimportance.profile.classnames import with_class_names
from pytest_deepimportance.profile.command import build_command
from pytest_deepimportance.profile.echo import answers_alike
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.provenance import ModelInfo
from pytest_deepimportance.settings import Settings, from_keywords


def describe_model(model: nn.Module, spec: str = "", notes: tuple[str, ...] = ()) -> ModelInfo:
    """Return what the report says about a model, its fingerprint included."""
    said = (*notes, *wrapper_notes(model))
    model = eager(model)
    return ModelInfo(
        spec=spec or type(model).__name__,
        type=type(model).__name__,
        fingerprint=fingerprint(model),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        notes=said,
    )


def obtain_profile(
    model: nn.Module,
    reference: Reference,
    settings: Settings,
    *,
    model_info: ModelInfo | None = None,
    cache: Path | None = None,
    run_id: str | None = None,
    progress: Progress | None = None,
    null: Any = None,
    importance: Importance | None = None,
) -> Profile:
    """Build the profile, or take it from the cache.

    Args:
        null: Held-out data in the forms of a reference; goes before the setting of that name.
        cache: Folder of the cache; None builds without one.
        run_id: Key shared by the processes of one run; lets them share the profile of a reference
            that has no fingerprint (an iterable), which later sessions must not reuse.
        importance: Scores to choose neurons by; goes before the setting of that name.
    """
    info = model_info or describe_model(model)
    model = eager(model)
    output = output_adapter(settings)
    kept, drawn, held_out = null_data(reference, settings, null, _held_out_reader(settings))

    if importance is None and settings.importance is not None and settings.asks_for("IDC"):
        importance = load_for(settings.importance, lambda: _sites(model, reference, output))
    if importance is not None:
        settings = _compared(importance, settings)

    def make() -> Profile:
        profile = build(
            model, kept, settings, info, output=output, progress=progress, importance=importance
        )
        if drawn is None:
            return profile
        return with_random_suites(profile, model, drawn, held_out, settings)

    if cache is None or null is not None:
        return make()
    identity = reference.fingerprint
    if identity is None:
        if run_id is None:
            return make()
        identity = f"{run_id} {reference.descriptor}"
    # The fingerprint is that of the whole data; these tell which of its rows are read.
    rows = reference.rows if reference.available is not None else None
    extra = [rows, reference.notes, _null_key(drawn, held_out, settings)]
    if importance is not None:
        extra.append(json.dumps(to_plain(importance), sort_keys=True))
    key = cache_key(info.fingerprint, identity, settings, extra)
    asked = answers(model, reference, output)
    profile = get_or_build(cache, key, make, asked)
    # Equal content may have another name by now: a renamed file, a moved folder.
    renamed = dataclasses.replace(profile.reference, descriptor=kept.descriptor)
    return dataclasses.replace(profile, model=info, reference=renamed)


def _sites(model: nn.Module, reference: Reference, output: Any) -> SiteMap:
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    return find_sites(model, next(iter(reference.batches(2))).to(device), output)


def _compared(importance: Importance, settings: Settings) -> Settings:
    """Let points of a vote be compared as they are: they mean the same in every layer."""
    asked = settings.origins.get("normalize", "default") != "default"
    if importance.votes is None or asked:
        return settings
    return settings.replace("default for votes", normalize="none")


def _held_out_reader(settings: Settings) -> Callable[[Any], Reference]:
    whole = settings.replace("null", reference_samples="all")
    return lambda source: as_reference(source, whole)


def _null_key(drawn: Reference | None, held_out: bool, settings: Settings) -> Any:
    """Return what tells apart the random suites of two profiles."""
    options = [(name, options_of(name, settings)) for name in names()]
    return [held_out, drawn.fingerprint if drawn else None, repr(options)]


def load_profile(path: str | Path, model: nn.Module, settings: Settings) -> Profile:
    """Read a profile file and check that it belongs to `model` and to the settings asked for.

    Raises:
        ProfileError: Other weights, or a setting that contradicts the profile.
        SettingsError: Class names are given, and not as many as the model has classes.
    """
    profile = Profile.load(path)
    check_model(profile, fingerprint(eager(model)), str(path), settings)
    check_code(profile, eager(model), output_adapter(settings), str(path), settings)
    profile.check_settings(settings)
    _check_scores(profile, str(path), settings)
    return with_class_names(profile, settings.class_names)


def _check_scores(profile: Profile, path: str, settings: Settings) -> None:
    """Refuse a profile whose neurons were chosen by other scores than the file asked for holds.

    A machine without that file needs none: the profile holds what was learned by it.
    """
    if settings.importance is None or not Path(settings.importance).is_file():
        return
    asked = load_for(settings.importance, lambda: profile.sites)
    own = fitted_to(asked, profile.sites, profile.model.fingerprint).scores
    for name, scores in profile.importance.scores.items():
        if name not in own or not np.array_equal(own[name], scores):
            raise ProfileError(
                f"{path} was built by other importance scores for {name} than "
                f"{settings.importance} holds",
                "Its important neurons may be others.",
                f"Build the profile again:\n{_how(profile, settings)}",
            )


def check_model(
    profile: Profile, model_fingerprint: str, path: str, settings: Settings | None = None
) -> None:
    """Refuse a profile of other weights, showing both fingerprints."""
    if profile.model.fingerprint != model_fingerprint:
        raise ProfileError(
            f"{path} was built for a {profile.model.type} with fingerprint "
            f"{profile.model.fingerprint[:8]}, but the model has {model_fingerprint[:8]}",
            "Clusters of one set of weights say nothing about another.",
            f"Build a profile for these weights:\n{_how(profile, settings)}",
        )


def check_code(
    profile: Profile,
    model: nn.Module,
    output: Any,
    path: str,
    settings: Settings | None = None,
) -> None:
    """Refuse a profile of a model with the same weights whose code gives other answers.

    Raises:
        ProfileError: The model answers made-up inputs otherwise than the profile's model did.
    """
    if profile.echo is not None and not answers_alike(profile.echo, model, output):
        raise ProfileError(
            f"{path}: with these weights the profiled {profile.model.type} gave other answers",
            "The code of the model has changed since (its forward, a helper, a constant), so its "
            "neurons behave differently.",
            f"Build the profile again:\n{_how(profile, settings)}",
        )


def _how(profile: Profile, settings: Settings | None) -> str:
    """Return how to build a profile: by a command, or without a session by the Python API."""
    if settings is None:
        return "build_profile(model, reference)"
    return build_command(profile, settings)


def build_profile(
    model: nn.Module,
    reference: Any,
    *,
    progress: Progress | None = None,
    null_data: Any = None,
    importance: Importance | str | Path | None = None,
    **settings: Any,
) -> Profile:
    """Derive everything that coverage needs from a model and its reference data.

    Args:
        model: Any PyTorch module that returns class scores, (N, C).
        reference: (inputs, labels) as arrays or tensors, a Dataset, a DataLoader, an iterable of
            batches, or a specification as for --idc-reference.
        null_data: Held-out data in the same forms: what random suites are drawn from, instead of
            the reference, which the model may know by heart.
        importance: Scores to choose the important neurons by, or their file; None computes them.
        settings: Any setting of the table as a keyword (`m=8, layer="fc2", preset="paper"`).

    Returns:
        The profile, with m chosen.

    Raises:
        IdcError: A subclass that says what is wrong and what to do.
    """
    scores = importance if isinstance(importance, Importance) else None
    chosen = from_keywords(**settings, importance=importance if scores is None else None)
    profile = obtain_profile(
        model,
        as_reference(reference, chosen),
        chosen,
        progress=progress,
        null=null_data,
        importance=scores,
    )
    return profile.with_m(chosen.m)
