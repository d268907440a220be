"""Collections of networks that are known by name, each with functions of the same names."""

from __future__ import annotations

from types import ModuleType

from pytest_deepimportance.errors import ModelLoadError
from pytest_deepimportance.models import timm_zoo, zoo

_COLLECTIONS = (zoo, timm_zoo)


def collection_of(spec: str) -> ModuleType | None:
    """Return the module of the collection that `spec` names a network of, None if of none."""
    return next((item for item in _COLLECTIONS if spec.startswith(item.SCHEME)), None)


def needs_weights(spec: str, library: str) -> ModelLoadError:
    """Return the error for a network by name without a word on its weights."""
    return ModelLoadError(
        f"the model {spec} needs --idc-weights (ini: idc_weights)",
        "A network by name has no weights of its own.",
        "--idc-weights FILE      your own trained weights\n"
        f"--idc-weights DEFAULT   {library}'s trained weights, from the local cache\n"
        "--idc-weights none      random weights (only to try things out)",
    )
