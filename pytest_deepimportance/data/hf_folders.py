"""Folders of the Hugging Face format: `hf:DIR`, or `hf:NAME` from the local cache."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pytest_deepimportance.errors import IdcError, did_you_mean

SCHEME = "hf:"
CONFIG = "config.json"
_WANTED = ("*.json", "*.txt", "*.model", "*.safetensors")
"""Files that a model and its tokenizer consist of: no code, no pickle."""


def folder_of(
    spec: str, error: type[IdcError], *, download: bool, root: Path | None = None
) -> Path:
    """Return the folder that `hf:DIR` or `hf:NAME` names.

    Args:
        spec: The specification, with or without the scheme.
        error: Class of the error.
        download: Whether NAME may be fetched from the hub when it is not in the local cache.
        root: Folder of the project, for relative paths.

    Raises:
        IdcError: Of class `error`: there is no such folder.
    """
    name = spec.strip().removeprefix(SCHEME)
    given = Path(name).expanduser()
    for folder in (given, (root or Path.cwd()) / given):
        if folder.is_dir():
            return folder
    if given.is_file():
        raise error(
            f"{spec} is a file",
            "hf: names a folder that save_pretrained() wrote (config.json and weights).",
            f"Name its folder: hf:{given.parent}",
        )
    is_name = name.count("/") <= 1 and not name.startswith((".", "/", "~"))
    if is_name:
        cached = _cached(name)
        if cached is not None:
            return cached
        if download:
            return _downloaded(name, spec, error)
    raise error(
        f"there is no folder {name} (from {root or Path.cwd()})"
        + (", and no model of that name in the local cache" if is_name else ""),
        "Nothing is downloaded unless that is allowed.",
        _nearby(given, root)
        or (
            "Give the folder that model.save_pretrained(DIR) and tokenizer.save_pretrained(DIR) "
            "wrote: hf:DIR" + (", or allow the download with --idc-download" if is_name else "")
        ),
    )


def read_config(folder: Path, error: type[IdcError]) -> dict[str, Any]:
    """Return the content of config.json.

    Raises:
        IdcError: Of class `error`: it is absent or no JSON object.
    """
    path = folder / CONFIG
    if not path.is_file():
        names = sorted(entry.name for entry in folder.iterdir())[:8]
        raise error(
            f"{folder} has no {CONFIG} (it holds: {', '.join(names) or 'nothing'})",
            "It says which network the folder holds.",
            _again(folder),
        )
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as cause:
        raise error(f"{path} cannot be read: {cause}", fix=_again(folder)) from cause
    if not isinstance(found, dict):
        raise error(f"{path} holds a JSON {type(found).__name__}", fix=_again(folder))
    return found


def _again(folder: Path) -> str:
    return f"Save the model with model.save_pretrained({str(folder)!r})."


def class_names(config: dict[str, Any]) -> tuple[str, ...]:
    """Return the names of the classes, by index; () where the config only numbers them."""
    names = config.get("id2label")
    if not isinstance(names, dict):
        return ()
    try:
        ordered = [str(names[key]) for key in sorted(names, key=int)]
    except ValueError:
        return ()
    numbered = [f"LABEL_{index}" for index in range(len(ordered))]
    return () if ordered == numbered else tuple(ordered)


def _cached(name: str) -> Path | None:
    """Return the newest snapshot of a model in the hub's local cache; nothing is asked for."""
    try:
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(name, CONFIG)
    except (ImportError, ValueError):  # absent, or no name the hub could have
        return None
    return Path(found).parent if isinstance(found, str) else None


def _downloaded(name: str, spec: str, error: type[IdcError]) -> Path:
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(name, allow_patterns=list(_WANTED)))
    except ImportError as cause:
        raise error(
            f"{spec} needs transformers, which cannot be imported ({cause})",
            fix="pip install 'pytest-deepimportance[hf]'",
        ) from cause
    except Exception as cause:
        reason = next(iter(str(cause).splitlines()), "")
        raise error(
            f"{spec} cannot be downloaded: {type(cause).__name__}: {reason}",
            fix="Check the name and the network connection.",
        ) from cause


def _nearby(given: Path, root: Path | None) -> str:
    parent = (root or Path.cwd()) / given.parent
    if not parent.is_dir():
        return ""
    known = [entry.name for entry in parent.iterdir() if (entry / CONFIG).is_file()]
    hint = did_you_mean(given.name, known)
    return f"{hint[0].upper()}{hint[1:]}" if hint else ""
