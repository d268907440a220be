"""From what the user gave to what the engine works with: the module, the data, the recorder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from pytest_deepimportance.data.importing import import_object
from pytest_deepimportance.data.reference import Reference, open_reference
from pytest_deepimportance.data.references_by_spec import load_reference
from pytest_deepimportance.engine.chosen import measurable, recorded_layers
from pytest_deepimportance.models.wrappers import eager
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.recording.recorder import Recorder
from pytest_deepimportance.settings import Settings


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
        images=settings.keeps_images,
    )
