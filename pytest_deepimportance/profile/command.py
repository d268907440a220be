"""Settings and profiles as the command lines that bring them about, fit to be typed."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
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
    """Return how a profile like this one is built again, with the settings that are asked for."""
    asked = settings.profile_values()
    given = {name: asked[name] for name in asked if settings.origins.get(name) not in _UNASKED}
    built = _not_default({**profile.settings, **given})
    model = settings.model or profile.model.spec or "MODEL"
    options = [typed(name, getattr(settings, name)) for name in _WHERE]
    options += [typed("reference", settings.reference or profile.reference.descriptor)]
    options += [typed(name, value) for name, value in built.items()]
    parts = ["deepimportance profile build", shlex.quote(model), *filter(None, options)]
    origin = profile.origin if profile.origin not in ("built", "cached") else "model.idc"
    return " ".join([*parts, f"-o {shlex.quote(origin)}"])


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
