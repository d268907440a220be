"""Networks of torchvision by name: `torchvision:resnet18`."""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Callable
from typing import Any
from urllib.parse import urlparse

import torch
from torch import nn

from pytest_deepimportance.errors import ModelLoadError, did_you_mean
from pytest_deepimportance.models.pickles import only_weights

SCHEME = "torchvision:"
LIBRARY = "torchvision"


def untrained(spec: str) -> Callable[[], nn.Module]:
    """Return a function that builds `torchvision:NAME` with random weights and downloads nothing.

    Raises:
        ModelLoadError: torchvision is absent, or has no network of that name.
    """
    name, models = _known(spec)
    builder = models.get_model_builder(name)
    arguments: dict[str, Any] = {"weights": None}
    if "weights_backbone" in inspect.signature(builder).parameters:
        # Detection networks would otherwise download a backbone even with weights=None.
        arguments["weights_backbone"] = None

    def build() -> nn.Module:
        with warnings.catch_warnings():
            # GoogLeNet and Inception announce a future change of their initial weights.
            warnings.simplefilter("ignore", FutureWarning)
            made = builder(**arguments)
        assert isinstance(made, nn.Module)
        return made

    return build


def pretrained(spec: str, weights: str, *, download: bool) -> nn.Module | None:
    """Build `torchvision:NAME` with weights of torchvision's own, such as DEFAULT.

    Args:
        spec: The specification.
        weights: Name of the weights; None is returned if the network has none of that name.
        download: Whether they may be downloaded when they are not in the local cache.

    Raises:
        ModelLoadError: The network is unknown, or the weights are not in the cache.
    """
    name, models = _known(spec)
    members = models.get_model_weights(name).__members__
    if weights not in members:
        return None
    member = members[weights]
    file = os.path.join(
        torch.hub.get_dir(), "checkpoints", os.path.basename(urlparse(member.url).path)
    )
    if not os.path.isfile(file) and not download:
        raise ModelLoadError(
            f"the weights {weights} of {spec} are not in the local cache ({file})",
            "Nothing is downloaded unless that is allowed.",
            "Allow it with --idc-download (ini: idc_download = true), or give a file: "
            "--idc-weights FILE",
        )
    try:
        with only_weights():
            made = models.get_model(name, weights=member, progress=False)
    except Exception as error:
        reason = next(iter(str(error).splitlines()), "")
        raise ModelLoadError(
            f"the weights {weights} of {spec} cannot be loaded: {type(error).__name__}: {reason}",
            fix=f"Check the network connection, or remove the damaged file {file}"
            if os.path.isfile(file)
            else f"Check the network connection, or put the file of {member.url} at {file}",
        ) from error
    assert isinstance(made, nn.Module)
    return made


def _known(spec: str) -> tuple[str, Any]:
    name = spec[len(SCHEME) :].strip()
    try:
        from torchvision import models
    except ImportError as error:
        raise ModelLoadError(
            f"the model {spec} needs torchvision, which cannot be imported ({error})",
            fix="pip install 'pytest-deepimportance[vision]'",
        ) from error
    known = models.list_models()
    if name not in known:
        hint = did_you_mean(name, known) or f"there are {len(known)}, such as resnet18 and vgg16"
        raise ModelLoadError(
            f"torchvision has no model {name!r}", fix=f"{hint[0].upper()}{hint[1:]}"
        )
    return name, models
