"""Profile files: safetensors with a JSON header; no pickle, written atomically."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as parse_arrays
from safetensors.numpy import save as to_bytes

from pytest_deepimportance.attribution.importance import Importance
from pytest_deepimportance.clustering.combinations import CombinationSpace
from pytest_deepimportance.errors import ProfileError, nearest
from pytest_deepimportance.models.sitemap import SiteMap
from pytest_deepimportance.plaindata import rebuild
from pytest_deepimportance.profile.build import content_fingerprint
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.provenance import ModelInfo, ReferenceInfo
from pytest_deepimportance.statistics.combination_counts import CombinationCounts

FORMAT = 1
"""Version of the file. History: 1 = first release (IDC spaces and combination counts)."""

KIND = "deepimportance-profile"
_COUNT_FIELDS = ("codes", "classes", "counts", "fit_counts", "first_index")


def serialise(profile: Profile) -> bytes:
    """Return the profile as the bytes of a profile file."""
    arrays: dict[str, NDArray[Any]] = {}
    for name, scores in profile.importance.scores.items():
        arrays[f"importance/{name}"] = np.asarray(scores, dtype=np.float64)
    for label, importance in profile.class_importance.items():
        for name, scores in importance.scores.items():
            arrays[f"importance:{label}/{name}"] = np.asarray(scores, dtype=np.float64)
    for number, space in enumerate(profile.spaces):
        counts = profile.counts[space.name]
        for field in _COUNT_FIELDS:
            arrays[f"space{number}/{field}"] = np.ascontiguousarray(getattr(counts, field))
    header = {
        "kind": KIND,
        "format": FORMAT,
        "fingerprint": profile.fingerprint,
        "model": dataclasses.asdict(profile.model),
        "reference": dataclasses.asdict(profile.reference),
        "sites": profile.sites.to_json(),
        "settings": dict(profile.settings),
        "importance": _importance_header(profile.importance),
        "class_importance": {
            str(label): _importance_header(item) for label, item in profile.class_importance.items()
        },
        "spaces": [space.to_json() for space in profile.spaces],
        "notes": list(profile.notes),
    }
    return to_bytes(arrays, metadata={"idc": json.dumps(header, sort_keys=True)})


def _importance_header(importance: Importance) -> dict[str, Any]:
    return {
        field.name: getattr(importance, field.name)
        for field in dataclasses.fields(importance)
        if field.name != "scores"
    }


def save(profile: Profile, path: Path) -> None:
    """Write the profile to `path`; a reader sees the old file or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(serialise(profile))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def load(path: Path) -> Profile:
    """Read a profile file.

    Raises:
        ProfileError: The file is absent, damaged, of another kind or of another format.
    """
    if not path.is_file():
        close = (
            nearest(path.name, [p.name for p in path.parent.glob("*")])
            if path.parent.is_dir()
            else []
        )
        raise ProfileError(
            f"profile file not found: {path}",
            fix=(f"Nearest files there: {', '.join(close)}. " if close else "")
            + "Make one with: deepimportance profile build -o model.idc",
        )
    return dataclasses.replace(deserialise(path.read_bytes(), str(path)), origin=str(path))


def deserialise(data: bytes, name: str) -> Profile:
    """Read the bytes of a profile file called `name`.

    Raises:
        ProfileError: As for `load`.
    """
    try:
        header, arrays = _read(data)
    except (SafetensorError, OSError, ValueError) as error:
        raise ProfileError(
            f"{name} is not a profile file, or it is damaged ({error})",
            fix="Make a new one with: deepimportance profile build -o model.idc",
        ) from error
    if header.get("kind") != KIND:
        raise ProfileError(
            f"{name} is a safetensors file, but not a profile",
            fix="If it holds model weights, give it as --idc-model with --idc-factory.",
        )
    if header.get("format") != FORMAT:
        raise ProfileError(
            f"{name} has profile format {header.get('format')}, this version reads {FORMAT}",
            fix="Build the profile again with this version: deepimportance profile build",
        )
    profile = _assemble(header, arrays)
    if content_fingerprint(profile) != header["fingerprint"]:
        raise ProfileError(
            f"{name} is damaged: its content does not match its fingerprint",
            fix="Build the profile again: deepimportance profile build",
        )
    return profile


def _read(data: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Split a safetensors file into our JSON header and the arrays."""
    arrays = parse_arrays(data)
    size = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + size]).get("__metadata__", {})
    return json.loads(metadata.get("idc", "{}")), arrays


def _assemble(header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Profile:
    def importance(data: dict[str, Any], prefix: str) -> Importance:
        scores = {
            name[len(prefix) :]: values
            for name, values in arrays.items()
            if name.startswith(prefix)
        }
        order = [site["name"] for site in header["sites"]["sites"]]
        ordered = {name: scores[name] for name in order if name in scores}
        return Importance(**{**data, "notes": tuple(data["notes"]), "scores": ordered})

    spaces = tuple(CombinationSpace.from_json(data) for data in header["spaces"])
    counts = {
        space.name: CombinationCounts(
            **{field: arrays[f"space{number}/{field}"] for field in _COUNT_FIELDS}
        )
        for number, space in enumerate(spaces)
    }
    return Profile(
        model=rebuild(ModelInfo, header["model"]),
        reference=rebuild(ReferenceInfo, header["reference"]),
        sites=SiteMap.from_json(header["sites"]),
        settings=header["settings"],
        importance=importance(header["importance"], "importance/"),
        class_importance={
            int(label): importance(data, f"importance:{label}/")
            for label, data in header["class_importance"].items()
        },
        spaces=spaces,
        counts=counts,
        notes=tuple(header["notes"]),
        fingerprint=header["fingerprint"],
    )
