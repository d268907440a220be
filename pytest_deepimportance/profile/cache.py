"""The profile cache: one build for all workers and later sessions, under a lock."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from pytest_deepimportance import __version__
from pytest_deepimportance.errors import ProfileError
from pytest_deepimportance.profile.file import FORMAT, load, save
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.settings import Settings


def cache_key(
    model_fingerprint: str, reference_fingerprint: str, settings: Settings, extra: Any = None
) -> str:
    """Return the name under which a profile is cached.

    Everything the profile depends on is in it: weights, data, the profile settings, and the version
    of this package. m above the number of clustered neurons changes how many are clustered, so it
    counts then.

    Args:
        extra: JSON-ready; what else tells two profiles apart (which rows of the data are read).
    """
    parts = [__version__, FORMAT, model_fingerprint, reference_fingerprint, settings.clustered]
    parts += [settings.profile_values(), settings.asks_for("IDC")]
    text = json.dumps([*parts, list(settings.class_names), extra], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


TOLERANCE = 1e-3
"""Answers differ when they are further apart than this share of the largest (kernels vary)."""


def get_or_build(
    folder: Path,
    key: str,
    build: Callable[[], Profile],
    answers: NDArray[np.float64] | None = None,
) -> Profile:
    """Return the cached profile of `key`, building it when there is none.

    Several processes may ask at once: the first to get the lock builds, the others load its file.
    A damaged cache file is built again, and so is one of a model that gave other answers.

    Args:
        answers: What the model answers on a few reference rows, (N, C); None asks for no such
            check.
    """
    path, told = folder / f"{key}.idc", folder / f"{key}.npy"
    lock = FileLock(str(folder / f"{key}.lock"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        return _uncached(build(), folder, str(error.strerror or error))
    try:
        if path.is_file() and (answers is None or _same(told, answers)):
            try:
                return dataclasses.replace(load(path), origin="cached")
            except ProfileError:
                pass  # damaged or of another version: the new one takes its place
        profile = build()
        try:
            save(profile, path)
            if answers is not None:
                np.save(told, answers)
        except ProfileError as error:
            return _uncached(profile, folder, error.what)
        except OSError as error:
            return _uncached(profile, folder, str(error.strerror or error))
        return profile
    finally:
        lock.release()


def _same(told: Path, answers: NDArray[np.float64]) -> bool:
    try:
        before = np.load(told, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return False
    if before.shape != answers.shape:
        return False
    room = TOLERANCE * float(np.abs(answers).max(initial=0.0, where=np.isfinite(answers)))
    return bool(np.allclose(before, answers, rtol=0.0, atol=room, equal_nan=True))


def _uncached(profile: Profile, folder: Path, reason: str) -> Profile:
    """Return the profile with a note: a cache that cannot be written costs time, not the result."""
    note = f"not cached, so it is computed in every run: {folder}: {reason}"
    return dataclasses.replace(profile, notes=(*profile.notes, note))
