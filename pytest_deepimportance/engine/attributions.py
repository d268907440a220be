"""An attribution method made as the settings say."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from pytest_deepimportance.attribution.base import Attribution, accepted, create
from pytest_deepimportance.engine.opening import output_adapter
from pytest_deepimportance.models.sitemap import SiteMap
from pytest_deepimportance.settings import TABLE, Settings

_OF_LRP = tuple(name for name in TABLE if name.startswith("lrp_"))


def attribution_for(
    method: str, model: nn.Module, sites: SiteMap, layers: Sequence[str], settings: Settings
) -> Attribution:
    """Return the attribution of some layers by `method`, with those settings that it knows.

    Raises:
        AttributionError: No such method.
        MethodUnavailable: It cannot run on this model.
        LayerError: No such layer.
    """
    known = accepted(method)
    given = {
        "also": (),
        "target": settings.target,
        "tap": settings.tap,
        "reduce": settings.reduce,
        "output": output_adapter(settings),
        "seed": settings.seed,
        **{name.removeprefix("lrp_"): getattr(settings, name) for name in _OF_LRP},
    }
    own = {name: value for name, value in given.items() if name in known}
    return create(method, model=model, sites=sites, layers=layers, **own)
