"""Relevance of the pixels of a few inputs, for pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pytest_deepimportance.analysis.classes import class_name
from pytest_deepimportance.attribution.base import create
from pytest_deepimportance.attribution.lrp.engine import LrpAttribution
from pytest_deepimportance.attribution.method_settings import method_settings
from pytest_deepimportance.data.activations import UNKNOWN
from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.data.reference import Reference
from pytest_deepimportance.engine.opening import output_adapter
from pytest_deepimportance.models.sites import find_sites
from pytest_deepimportance.models.wrappers import eager
from pytest_deepimportance.settings import Settings

MOST = 10
_BATCHES = 20
"""Batches looked at for one input of each class."""


@dataclass(frozen=True)
class InputMap:
    """One input as a picture, and where its relevance lies.

    Attributes:
        image: (H, W) or (H, W, 3), as the model was given it.
        relevance: (H, W): summed over channels, divided by the sum of absolute values.
        label: True class, empty where unknown. predicted: Predicted class.
        row: Number of the input in its data set.
    """

    image: NDArray[np.float64]
    relevance: NDArray[np.float64]
    label: str
    predicted: str
    row: int


def input_maps(model: nn.Module, data: Reference, settings: Settings) -> tuple[list[InputMap], str]:
    """Return the relevance of up to ten inputs: the first of each class, then further ones.

    Returns:
        The maps; why there is none, empty where there is one.
    """
    model = eager(model)
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    attribution: LrpAttribution | None = None
    found: dict[int, InputMap] = {}
    spare: list[InputMap] = []
    names = settings.class_names or data.class_names
    done = 0
    for number, call in enumerate(data.batches(min(settings.batch_size, 64))):
        if number == _BATCHES or len(found) == MOST:
            break
        why = _why_no_picture(call)
        if why:
            return [], why
        call = call.to(device)
        attribution = attribution or _lrp(model, call, settings)
        maps, classes = _maps(attribution, call, names, done)
        for label, item in zip(classes, maps, strict=True):
            if label not in found and len(found) < MOST:
                found[label] = item
            elif len(spare) < MOST:
                spare.append(item)
        done += call.rows
    ordered = [found[label] for label in sorted(found)]
    return ordered + spare[: MOST - len(ordered)], ""


def _lrp(model: nn.Module, call: ModelCall, settings: Settings) -> LrpAttribution:
    sites = find_sites(model, call, output_adapter(settings))
    names = [site.name for site in (sites.candidates() or sites.sites)[:1]]
    own = method_settings("lrp", settings)
    made = create(
        "lrp", model=model, sites=sites, layers=names, output=output_adapter(settings), **own
    )
    assert isinstance(made, LrpAttribution)
    return made


def _why_no_picture(call: ModelCall) -> str:
    first = next((value for value in call.args if isinstance(value, Tensor)), None)
    if first is None or first.dim() != 4 or not first.is_floating_point():
        return "the inputs are no images (N, C, H, W)"
    return ""


def _maps(
    attribution: LrpAttribution, call: ModelCall, names: tuple[str, ...], start: int
) -> tuple[list[InputMap], list[int]]:
    relevance = attribution.attribute_inputs(call)[0].sum(dim=1).cpu().double().numpy()
    batch = attribution.attribute(call).activations
    images = call.args[0].detach().cpu().double().numpy()
    labels = [int(label) for label in batch.labels]
    classes = [
        int(predicted) if label == UNKNOWN else label
        for label, predicted in zip(labels, batch.predictions, strict=True)
    ]
    maps = [
        InputMap(
            image=_picture(images[row]),
            relevance=relevance[row] / (np.abs(relevance[row]).sum() or 1.0),
            label="" if labels[row] == UNKNOWN else class_name(labels[row], names),
            predicted=class_name(int(batch.predictions[row]), names),
            row=start + row,
        )
        for row in range(call.rows)
    ]
    return maps, classes


def _picture(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an image (C, H, W) with its values moved into 0..1, three channels as colours."""
    lowest, highest = float(image.min()), float(image.max())
    if lowest < 0 or highest > 1:
        image = (image - lowest) / ((highest - lowest) or 1.0)
    result: NDArray[np.float64] = (
        np.moveaxis(image, 0, -1) if len(image) == 3 else image.mean(axis=0)
    )
    return result
