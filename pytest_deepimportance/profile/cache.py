"""The profile cache: one build for all workers and later sessions, under a lock."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock

from pytest_deepimportance.errors import ProfileError
from pytest_deepimportance.profile.file import FORMAT, load, save
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.settings import CLUSTERED_NEURONS, Settings


def cache_key(
    model_fingerprint: str, reference_fingerprint: str, settings: Settings, extra: Any = None
) -> str:
    """Return the name under which a profile is cached.

    Everything the profile depends on is in it: weights, data, and the profile settings. m above the
    number of clustered neurons changes how many are clustered, so it counts then.
    """
    clustered = max(CLUSTERED_NEURONS, settings.m if isinstance(settings.m, int) else 0)
    parts = [FORMAT, model_fingerprint, reference_fingerprint, settings.profile_values(), clustered]
    text = json.dumps([*parts, list(settings.class_names), extra], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def get_or_build(folder: Path, key: str, build: Callable[[], Profile]) -> Profile:
    """Return the cached profile of `key`, building it when there is none.

    Several processes may ask at once: the first to get the lock builds, the others load its file.
    A damaged cache file is built again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{key}.idc"
    with FileLock(str(folder / f"{key}.lock")):
        if path.is_file():
            try:
                return dataclasses.replace(load(path), origin="cached")
            except ProfileError:
                path.unlink(missing_ok=True)
        profile = build()
        save(profile, path)
        return profile
