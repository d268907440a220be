"""Importance as plain data: what its files hold."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.attribution.importance import Importance
from pytest_deepimportance.errors import AttributionError
from pytest_deepimportance.plaindata import rebuild
from pytest_deepimportance.votes import Votes

FORMAT = 1
_PACKAGES = ("pytest-deepimportance", "torch", "numpy", "captum")


def to_plain(importance: Importance) -> dict[str, Any]:
    """Return JSON-ready data; where a file was read from is no part of it."""
    data = asdict(replace(importance, scores={}, by_class={}))
    del data["source"]
    data["by_class"] = {str(c): _lists(own) for c, own in importance.by_class.items()}
    return {**data, "format": FORMAT, "scores": _lists(importance.scores)}


def from_plain(data: Mapping[str, Any]) -> Importance:
    """Rebuild from `to_plain` data.

    Raises:
        AttributionError: Another format, or fields that are missing or unknown.
    """
    try:
        rest = dict(data)
        found = rest.pop("format", None)
        if found != FORMAT:
            raise ValueError(f"format {found!r}, this version reads {FORMAT}")
        scores = _arrays(rest.pop("scores"))
        by_class = {int(c): _arrays(own) for c, own in rest.pop("by_class", {}).items()}
        votes = rebuild(Votes, rest.pop("votes", None))
        notes = tuple(map(str, rest.pop("notes", ())))
        return Importance(scores, by_class=by_class, votes=votes, notes=notes, **rest)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise AttributionError(
            f"this is no importance file: {_said(error)}",
            "Scores are only used when all that is said of them is understood.",
            "Files are written by Importance.save and 'deepimportance vote --out FILE'.",
        ) from error


def digest(scores: Mapping[str, NDArray[np.float64]]) -> str:
    """Return a hash of names and scores, whatever the order of the layers."""
    found = hashlib.sha256()
    for name in sorted(scores):
        values = np.asarray(scores[name], dtype="<f8")
        found.update(f"{len(name.encode())} {name} {values.shape} ".encode() + values.tobytes())
    return found.hexdigest()


def versions() -> dict[str, str]:
    """Return the installed versions of the packages that decide scores."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _lists(scores: Mapping[str, NDArray[np.float64]]) -> dict[str, list[float]]:
    return {name: values.tolist() for name, values in scores.items()}


def _arrays(scores: Mapping[str, Any]) -> dict[str, NDArray[np.float64]]:
    return {str(name): np.asarray(v, dtype=np.float64) for name, v in scores.items()}


def _said(error: Exception) -> str:
    return f"no field {error}" if isinstance(error, KeyError) else str(error)
