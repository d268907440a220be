"""Model and reference in, profile out: what the plugin, the command and the API share."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from torch import nn

from pytest_deepimportance.data.batches import describe
from pytest_deepimportance.data.importing import import_object
from pytest_deepimportance.data.reference import Reference, open_reference
from pytest_deepimportance.data.references_by_spec import load_reference
from pytest_deepimportance.engine.behaviour import answers
from pytest_deepimportance.engine.chosen import measurable, recorded_layers
from pytest_deepimportance.errors import ModelLoadError, ProfileError
from pytest_deepimportance.models.fingerprint import fingerprint
from pytest_deepimportance.profile.accumulate import Progress
from pytest_deepimportance.profile.build import build
from pytest_deepimportance.profile.cache import cache_key, get_or_build
from pytest_deepimportance.profile.command import build_command
from pytest_deepimportance.profile.echo import answers_alike
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.provenance import ModelInfo
from pytest_deepimportance.recording.recorder import Recorder
from pytest_deepimportance.settings import Settings, from_keywords


def describe_model(model: nn.Module, spec: str = "", notes: tuple[str, ...] = ()) -> ModelInfo:
    """Return what the report says about a model, its fingerprint included."""
    model = eager(model)
    return ModelInfo(
        spec=spec or type(model).__name__,
        type=type(model).__name__,
        fingerprint=fingerprint(model),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        notes=notes,
    )


def eager(model: nn.Module) -> nn.Module:
    """Return the module behind wrappers that only say where and how it runs.

    These are torch.compile (hooks do not fire in compiled code) and the data-parallel ones.

    Raises:
        ModelLoadError: It is no module.
    """
    if not isinstance(model, nn.Module):
        raise ModelLoadError(
            f"the model is {describe(model)}, not a torch.nn.Module",
            fix="Pass the module itself; a file or name is loaded with load_model(SPEC).",
        )
    parallel = isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel))
    inner = getattr(model, "module" if parallel else "_orig_mod", None)
    return eager(inner) if isinstance(inner, nn.Module) else model


def output_adapter(settings: Settings) -> Any:
    """Return the callable of the setting `output`, or None."""
    return None if settings.output is None else import_object(settings.output, "output")


def as_reference(source: Any, settings: Settings) -> Reference:
    """Open a reference given as data, as a specification, or already open."""
    if isinstance(source, Reference):
        return source
    if isinstance(source, (str, Path)):
        return load_reference(str(source), settings)
    return open_reference(source, settings)


def obtain_profile(
    model: nn.Module,
    reference: Reference,
    settings: Settings,
    *,
    model_info: ModelInfo | None = None,
    cache: Path | None = None,
    run_id: str | None = None,
    progress: Progress | None = None,
) -> Profile:
    """Build the profile, or take it from the cache.

    Args:
        cache: Folder of the cache; None builds without one.
        run_id: Key shared by the processes of one run; lets them share the profile of a reference
            that has no fingerprint (an iterable), which later sessions must not reuse.
    """
    model = eager(model)
    info = model_info or describe_model(model)

    def make() -> Profile:
        return build(
            model, reference, settings, info, output=output_adapter(settings), progress=progress
        )

    if cache is None:
        return make()
    identity = reference.fingerprint
    if identity is None:
        if run_id is None:
            return make()
        identity = f"{run_id} {reference.descriptor}"
    # The fingerprint is that of the whole data; these tell which of its rows are read.
    rows = reference.rows if reference.available is not None else None
    key = cache_key(info.fingerprint, identity, settings, [rows, reference.notes])
    asked = answers(model, reference, output_adapter(settings))
    profile = get_or_build(cache, key, make, asked)
    # Equal content may have another name by now: a renamed file, a moved folder.
    renamed = dataclasses.replace(profile.reference, descriptor=reference.descriptor)
    return dataclasses.replace(profile, model=info, reference=renamed)


def load_profile(path: str | Path, model: nn.Module, settings: Settings) -> Profile:
    """Read a profile file and check that it belongs to `model` and to the settings asked for.

    Raises:
        ProfileError: Other weights, or a setting that contradicts the profile.
    """
    profile = Profile.load(path)
    check_model(profile, fingerprint(eager(model)), str(path), settings)
    check_code(profile, eager(model), output_adapter(settings), str(path), settings)
    profile.check_settings(settings)
    return profile


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


def recorder_for(model: nn.Module, profile: Profile, settings: Settings) -> Recorder:
    """Return the recorder that reads `model` as `profile` was read.

    The model's fingerprint must have been compared with the profile's just before.
    """
    return Recorder(
        eager(model),
        profile.sites,
        recorded_layers(profile, measurable(profile, settings)),
        reduce=str(profile.settings["reduce"]),
        tap=str(profile.settings["tap"]),
        output=output_adapter(settings),
        model_fingerprint=profile.model.fingerprint,
        verified=True,
    )


def build_profile(
    model: nn.Module, reference: Any, *, progress: Progress | None = None, **settings: Any
) -> Profile:
    """Derive everything that coverage needs from a model and its reference data.

    Args:
        model: Any PyTorch module that returns class scores, (N, C).
        reference: (inputs, labels) as arrays or tensors, a Dataset, a DataLoader, an iterable of
            batches, or a specification as for --idc-reference.
        settings: Any setting of the table as a keyword (`m=8, layer="fc2", preset="paper"`).

    Returns:
        The profile, with m chosen.

    Raises:
        IdcError: A subclass that says what is wrong and what to do.
    """
    chosen = from_keywords(**settings)
    profile = obtain_profile(model, as_reference(reference, chosen), chosen, progress=progress)
    return profile.with_m(chosen.m)
