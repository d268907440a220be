"""Profile files: safetensors with a JSON header; no pickle, written atomically."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as parse_arrays
from safetensors.numpy import save as to_bytes

from pytest_deepimportance.atomic import write_atomically
from pytest_deepimportance.attribution.importance import Importance
from pytest_deepimportance.clustering.combinations import CombinationSpace
from pytest_deepimportance.errors import ProfileError, nearest
from pytest_deepimportance.models.sitemap import SiteMap
from pytest_deepimportance.plaindata import rebuild
from pytest_deepimportance.profile.echo import Echo
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.profile.null import COUNT_FIELDS, Null
from pytest_deepimportance.provenance import ModelInfo, ReferenceInfo
from pytest_deepimportance.statistics.combination_counts import CombinationCounts
from pytest_deepimportance.statistics.gathering import ReferenceStatistics

FORMAT = 4
"""Version of the file. History: 1 = IDC spaces and combination counts; 2 = and the statistics that
the baseline criteria need; 3 = and what random inputs cover, and the digests of the reference
inputs (not with no_samples); 4 = and which file the importance was read from."""

KIND = "deepimportance-profile"
_LFS = b"version https://git-lfs"


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
        for field in COUNT_FIELDS:
            arrays[f"space{number}/{field}"] = np.ascontiguousarray(getattr(counts, field))
    statistics, more = profile.statistics.to_parts()
    arrays |= {f"statistics/{name}": np.asarray(array, order="C") for name, array in more.items()}
    null, more = profile.null.to_parts()
    arrays |= {f"null/{name}": np.asarray(array, order="C") for name, array in more.items()}
    if profile.digests is not None:
        arrays["digests"] = np.ascontiguousarray(profile.digests)
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
        "statistics": statistics,
        "null": null,
        "echo": None if profile.echo is None else dataclasses.asdict(profile.echo),
    }
    # In one entry, since safetensors writes several in a random order: equal profiles, equal bytes.
    signed = {**header, "checksum": _checksum(header, arrays)}
    return to_bytes(arrays, metadata={"idc": json.dumps(signed)})


def _checksum(header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> str:
    """Return a hash of everything in the file; the fingerprint covers what decides a result."""
    digest = hashlib.sha256(json.dumps(header).encode())
    for name in sorted(arrays):
        values = np.asarray(arrays[name], order="C")
        digest.update(f"{name} {values.dtype.str} {values.shape}".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def _importance_header(importance: Importance) -> dict[str, Any]:
    return {
        field.name: getattr(importance, field.name)
        for field in dataclasses.fields(importance)
        if field.name not in ("scores", "by_class", "votes")
    }


def save(profile: Profile, path: Path) -> None:
    """Write the profile to `path`; a reader sees the old file or the whole new one.

    Raises:
        ProfileError: The file cannot be written there.
    """
    check_target(path)
    data = serialise(profile)
    try:
        write_atomically(path, data)
    except OSError as error:
        raise ProfileError(
            f"the profile cannot be written to {path}: {error.strerror or error}",
            fix="Give the path of a file in a folder that may be written to: -o model.idc",
        ) from error


def check_target(path: Path) -> None:
    """Refuse a path at which no file can be written, before the work is done.

    Raises:
        ProfileError: The path is a folder.
    """
    if path.is_dir():
        raise ProfileError(
            f"{path} is a folder, not a profile file", fix="Name the file: -o model.idc"
        )


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
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ProfileError(
            f"profile file {path} cannot be read: {error.strerror or error}",
            fix="Check its permissions.",
        ) from error
    return dataclasses.replace(deserialise(data, str(path)), origin=str(path))


def deserialise(data: bytes, name: str) -> Profile:
    """Read the bytes of a profile file called `name`.

    Raises:
        ProfileError: As for `load`.
    """
    try:
        header = json.loads(_metadata(data).get("idc", "{}"))
        if not isinstance(header, dict):
            raise ValueError("its header is no table")
    except (ValueError, RecursionError) as error:
        raise _unreadable(name, error, data) from error
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
    try:
        arrays = parse_arrays(data)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(name, error, data) from error
    if header.pop("checksum", None) != _checksum(header, arrays):
        raise ProfileError(
            f"{name} is damaged: its content does not match its checksum",
            fix="Build the profile again: deepimportance profile build",
        )
    return _assemble(header, arrays)


def _metadata(data: bytes) -> dict[str, str]:
    """Return the metadata of a safetensors file, whose first 8 bytes tell the header's size."""
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 + size:
        raise ValueError("it is shorter than its header says")
    header = json.loads(data[8 : 8 + size])
    metadata = header.get("__metadata__") if isinstance(header, dict) else None
    return metadata if isinstance(metadata, dict) else {}


def _unreadable(name: str, error: Exception, data: bytes) -> ProfileError:
    if data.startswith(_LFS):
        return ProfileError(
            f"{name} is a Git LFS pointer, not the profile itself",
            "Git has checked out the pointer; the content is fetched by Git LFS.",
            "Run: git lfs pull   (in GitHub Actions: actions/checkout with 'lfs: true')",
        )
    return ProfileError(
        f"{name} is not a profile file, or it is damaged ({error})",
        fix="Make a new one with: deepimportance profile build -o model.idc",
    )


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
            **{field: arrays[f"space{number}/{field}"] for field in COUNT_FIELDS}
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
        echo=rebuild(Echo, header["echo"]),
        digests=arrays.get("digests"),
        statistics=ReferenceStatistics.from_parts(
            header["statistics"], _of_room(arrays, "statistics/")
        ),
        null=Null.from_parts(header["null"], _of_room(arrays, "null/")),
    )


def _of_room(arrays: dict[str, NDArray[Any]], room: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(room): a for name, a in arrays.items() if name.startswith(room)}
