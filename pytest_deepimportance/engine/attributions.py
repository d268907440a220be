"""An attribution method made as the settings say."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from pytest_deepimportance.attribution.base import Attribution, create
from pytest_deepimportance.attribution.method_settings import method_settings
from pytest_deepimportance.engine.opening import output_adapter
from pytest_deepimportance.models.sitemap import SiteMap
from pytest_deepimportance.settings import Settings


def attribution_for(
    method: str, model: nn.Module, sites: SiteMap, layers: Sequence[str], settings: Settings
) -> Attribution:
    """Return the attribution of some layers by `method`, with those settings that it knows.

    Raises:
        AttributionError: No such method.
        MethodUnavailable: It cannot run on this model.
        LayerError: No such layer.
    """
    return create(
        method, model=model, sites=sites, layers=layers, output=output_adapter(settings),
        **method_settings(method, settings),
    )  # fmt: skip
