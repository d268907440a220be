"""Test adequacy for neural networks inside pytest.

Importing this package imports no torch: public names are resolved when they are first used.
"""

from __future__ import annotations

import importlib
import inspect
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "Importance": "attribution.importance",
    "Clustering": "clustering.kmeans",
    "Profile": "profile.model",
    "Criterion": "criteria.base",
    "CriterionRow": "results",
    "Report": "results",
    "Settings": "settings",
    "IdcError": "errors",
    "load_model": "models.loading",
    "build_profile": "engine.profiles",
    "measure": "engine.measuring",
    "measure_activations": "engine.activations",
    "surprise_adequacy": "engine.activations",
    "record": "engine.measuring",
    "ItemMatrix": "engine.item_matrix",
    "item_matrix": "engine.measuring",
    "importance": "attribution.importance",
    "Selector": "analysis.selector",
    "fit_selector": "analysis.selector_fit",
    "vote": "attribution.voting",
    "cluster_activations": "clustering.kmeans",
}

__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    if inspect.isfunction(found):
        from pytest_deepimportance.keywords import called_in_python

        found = called_in_python(found)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
