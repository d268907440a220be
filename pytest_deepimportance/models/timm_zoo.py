"""Networks of timm by name: `timm:resnet18`, `timm:resnet18.a1_in1k`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any
from urllib.parse import urlparse

import torch
from torch import nn

from pytest_deepimportance.errors import ModelLoadError, did_you_mean
from pytest_deepimportance.models.pickles import only_weights

SCHEME = "timm:"
LIBRARY = "timm"
_FILES = ("model.safetensors", "pytorch_model.bin")


def untrained(spec: str) -> Callable[[], nn.Module]:
    """Return a function that builds `timm:NAME` with random weights and downloads nothing.

    Raises:
        ModelLoadError: timm is absent, or has no network of that name.
    """
    name, timm = _known(spec)

    def build() -> nn.Module:
        made = timm.create_model(name, pretrained=False)
        assert isinstance(made, nn.Module)
        return made

    return build


def pretrained(spec: str, weights: str, *, download: bool) -> nn.Module | None:
    """Build `timm:NAME` with the trained weights that timm names for it.

    Args:
        spec: The specification; a tag in the name (`resnet18.a1_in1k`) chooses the weights.
        weights: "DEFAULT"; None is returned for anything else.
        download: Whether they may be downloaded when they are not in the local cache.

    Raises:
        ModelLoadError: The network is unknown, has no weights, or they are not in the cache.
    """
    name, timm = _known(spec)
    if weights != "DEFAULT":
        return None
    config = timm.get_pretrained_cfg(name)
    if config is None or not (config.hf_hub_id or config.url):
        raise ModelLoadError(
            f"timm has no trained weights for {spec}",
            fix="Give a file (--idc-weights FILE), or --idc-weights none to try things out.",
        )
    file = _cached(config)
    if file is None and not download:
        raise ModelLoadError(
            f"the weights of {spec} ({config.hf_hub_id or config.url}) are not in the local cache",
            "Nothing is downloaded unless that is allowed.",
            "Allow it with --idc-download (ini: idc_download = true), or give a file: "
            "--idc-weights FILE",
        )
    # A file that is named is read as it is: timm would ask the network whether it is the newest.
    source = {} if file is None else {"pretrained_cfg_overlay": {"file": file}}
    try:
        with only_weights():
            made = timm.create_model(name, pretrained=True, **source)
    except Exception as error:
        reason = next(iter(str(error).splitlines()), "")
        raise ModelLoadError(
            f"the weights of {spec} cannot be loaded: {type(error).__name__}: {reason}",
            fix=f"Remove the damaged file {file}" if file else "Check the network connection.",
        ) from error
    assert isinstance(made, nn.Module)
    return made


def _cached(config: Any) -> str | None:
    """Return the file of trained weights in the cache of the hub or of torch, None if absent."""
    if config.hf_hub_id:
        from huggingface_hub import try_to_load_from_cache

        name, _, revision = config.hf_hub_id.partition("@")
        for file in (config.hf_hub_filename,) if config.hf_hub_filename else _FILES:
            found = try_to_load_from_cache(name, file, revision=revision or None)
            if isinstance(found, str):
                return found
    if config.url:
        name = os.path.basename(urlparse(config.url).path)
        file = os.path.join(torch.hub.get_dir(), "checkpoints", name)
        if os.path.isfile(file):
            return file
    return None


def _known(spec: str) -> tuple[str, Any]:
    name = spec[len(SCHEME) :].strip()
    try:
        import timm
    except ImportError as error:
        raise ModelLoadError(
            f"the model {spec} needs timm, which cannot be imported ({error})",
            fix="pip install 'pytest-deepimportance[timm]'",
        ) from error
    plain, _, tag = name.partition(".")
    if not timm.is_model(plain):
        known = timm.list_models()
        hint = did_you_mean(plain, known) or f"there are {len(known)}, such as resnet18"
        raise ModelLoadError(f"timm has no model {plain!r}", fix=f"{hint[0].upper()}{hint[1:]}")
    tags = [full.partition(".")[2] for full in timm.list_pretrained(plain)]
    if tag and tag not in tags:
        raise ModelLoadError(
            f"timm has no weights {tag!r} of {plain}",
            fix=did_you_mean(tag, tags) or f"There are: {', '.join(filter(None, tags)) or 'none'}",
        )
    return name, timm
