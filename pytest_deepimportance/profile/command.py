"""Settings and profiles as the command lines that bring them about, fit to be typed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_deepimportance.settings import TABLE, Settings

if TYPE_CHECKING:
    from pytest_deepimportance.profile.model import Profile

_UNASKED = (None, "default")
_WHERE = ("factory", "weights", "allow_pickle", "device")


def typed(name: str, value: Any) -> str:
    """Return a setting as an option, `--idc-k 3`; empty where no option is needed for it."""
    if value in (None, "", (), False):
        return ""
    if TABLE[name].is_flag:
        return TABLE[name].option
    text = ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return f"{TABLE[name].option} {shlex.quote(text)}"


def run_command(model: str, settings: Settings, path: str) -> str:
    """Return how pytest measures against the profile in `path`, built with these settings."""
    given = {
        name: getattr(settings, name)
        for name in (*_WHERE, "output", "preset", "m")
        if settings.origins.get(name, "default") in ("command line", "keyword")
    }
    options = [typed(name, value) for name, value in given.items()]
    parts = ["pytest", f"--idc-model {shlex.quote(model)}", *options]
    return " ".join([*filter(None, parts), f"--idc-profile {shlex.quote(path)}"])


def build_command(profile: Profile, settings: Settings) -> str:
    """Return how a profile like this one is built again, with the settings that are asked for.

    Model and reference that were objects of a program have no specification: MODEL and REFERENCE
    stand in their places, and a line below the command says what they were.
    """
    asked = settings.profile_values()
    given = {name: asked[name] for name in asked if settings.origins.get(name) not in _UNASKED}
    built = _not_default({**profile.settings, **given})
    model = settings.model or _specified(profile.model.spec, "MODEL")
    reference = settings.reference or _specified(profile.reference.descriptor, "REFERENCE")
    options = [typed(name, getattr(settings, name)) for name in _WHERE]
    options += [typed("reference", reference)]
    options += [typed(name, value) for name, value in built.items()]
    parts = ["deepimportance profile build", shlex.quote(model), *filter(None, options)]
    origin = profile.origin if profile.origin not in ("built", "cached") else "model.idc"
    command = " ".join([*parts, f"-o {shlex.quote(origin)}"])
    if reference != "REFERENCE":
        return command
    return (
        f"{command}\n(REFERENCE: pkg.mod:callable, DIR or FILE.npz with what it was built from, "
        f"{profile.reference.descriptor or 'data of a program'}; in Python: build_profile)"
    )


def _specified(text: str, place: str) -> str:
    """Return `text` if it can be typed as a specification, else what stands in its place."""
    path = Path(text)
    named = re.fullmatch(r"\S+:\S+", text) or ".py:" in text or re.fullmatch(r"\.\w+", path.suffix)
    return text if text and (named or path.exists()) else place


def _not_default(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in values.items()
        if name in TABLE and value is not None and TABLE[name].parse(value) != TABLE[name].default
    }


def without(name: str, origin: str) -> str:
    """Return what to take away so that a setting from `origin` is not asked for."""
    if origin.startswith("preset "):
        return f"--idc-preset {origin.removeprefix('preset ')}"
    spelled = {"command line": TABLE[name].option, "ini": f"{TABLE[name].key} (ini file)"}
    return spelled.get(origin, f"{name} ({origin})")
