"""What a model cannot be measured by: criteria that its output or its layers leave out, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.data.outputs import class_scores, describe_output
from pytest_deepimportance.models.restore import evaluating
from pytest_deepimportance.models.sitemap import SiteMap
from pytest_deepimportance.profile.classnames import check_class_names
from pytest_deepimportance.settings import Settings


def why_unscored(
    model: nn.Module, call: ModelCall, output: Any, class_names: Sequence[str] = ()
) -> str:
    """Return why the model's output is no class score, empty where it is one.

    A forward that raises is left to the probe, which words that error.

    Raises:
        SettingsError: Class names are given, and not as many as the model has classes.
    """
    with evaluating(model), torch.no_grad():
        try:
            answer = model(*call.args, **call.kwargs)
        except Exception:
            return ""
    scores = class_scores(answer, output)
    if scores is None:
        return describe_output(answer)
    check_class_names(class_names, scores.shape[1])
    return ""


def why_unranked(sites: SiteMap, settings: Settings) -> str:
    """Return why IDC is left out, empty where a layer can hold important neurons.

    Empty too where IDC is asked for by name, or the model has no layer for any criterion: that is
    refused, see `layers.importance_layers`.
    """
    if "IDC" in settings.criteria or not sites.sites:
        return ""
    if settings.scope == "layer":
        named = settings.layer is not None or not sites.no_default
        return "" if named else f"{sites.no_default}; name one with --idc-layer"
    return "" if sites.candidates() else sites.no_default


def left_out(settings: Settings, unscored: str, unranked: str) -> tuple[str, ...]:
    """Return what to say of criteria that this model cannot have, once for one cause."""
    if settings.asks_for("IDC") and unranked:
        return (f"IDC left out: {unranked}",)
    by_class = unscored and settings.surprise_labels == "predicted"
    return (f"LSC, DSC, MDSC left out: {unscored}",) if by_class else ()
