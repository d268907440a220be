"""Which settings of the table go to which method."""

from __future__ import annotations

from typing import Any

from pytest_deepimportance.attribution.base import Attribution, accepted
from pytest_deepimportance.settings import TABLE, Settings

_OF_LRP = tuple(name for name in TABLE if name.startswith("lrp_"))


def method_settings(method: str, settings: Settings) -> dict[str, Any]:
    """Return the keywords of `attribution.base.create` for a method, as the settings say.

    Model, sites, layers, output and what depends on the data (background, rows_at_once) are the
    caller's.
    """
    everything = {
        "target": settings.target,
        "tap": settings.tap,
        "reduce": settings.reduce,
        "steps": settings.attribution_steps,
        "samples": settings.attribution_samples,
        "baseline": settings.attribution_baseline,
        "seed": settings.seed,
        **{name.removeprefix("lrp_"): getattr(settings, name) for name in _OF_LRP},
    }
    known = accepted(method)
    return {name: value for name, value in everything.items() if name in known}


def parameters_of(attribution: Attribution) -> str:
    """Return how reports word a method's parameters: "epsilon 1e-06", "50 steps, baseline 0"."""
    return str(getattr(attribution, "rule", ""))
