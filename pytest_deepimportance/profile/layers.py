"""Which layers a profile reads: for importance, for the neurons of the baselines, for surprise."""

from __future__ import annotations

from pytest_deepimportance.models.sitemap import SiteMap
from pytest_deepimportance.settings import Settings


def neuron_layers(sites: SiteMap, settings: Settings) -> tuple[str, ...]:
    """Return the layers of the criteria that look at every neuron.

    Raises:
        LayerError: A layer that is named does not exist.
    """
    wanted = settings.neuron_layers
    if wanted == ("all",):
        return tuple(site.name for site in sites.sites if site.rows_are_inputs)
    if wanted == ("hidden",):
        return tuple(site.name for site in sites.candidates())
    named = {sites.find(layer).name for layer in wanted}
    return tuple(site.name for site in sites.sites if site.name in named)


def surprise_layer(sites: SiteMap, settings: Settings) -> str | None:
    """Return the layer of LSC, DSC and MDSC, None where the model has no hidden layer.

    Raises:
        LayerError: The layer that is named does not exist.
    """
    if settings.surprise_layer is None and sites.default is None:
        return None
    return sites.find(settings.surprise_layer).name


def importance_layers(sites: SiteMap, settings: Settings) -> tuple[str, ...]:
    """Return the layers in which important neurons are looked for."""
    if settings.scope == "layer":
        site = sites.find(settings.layer)
        return (site.name,)
    return tuple(site.name for site in sites.hidden())
