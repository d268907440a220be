"""Names of the attribution methods: what settings accept, and what each is called in reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_deepimportance.errors import nearest

ALIASES: Mapping[str, str] = {
    "lc": "conductance",
    "la": "activation",
    "ii": "internal-influence",
    "lgxa": "gradient-x-activation",
    "lgc": "grad-cam",
    "ldl": "deeplift",
    "ldls": "deeplift-shap",
    "lgs": "gradient-shap",
    "lig": "integrated-gradients",
    "lfa": "feature-ablation",
}
"""Short names of the research code, and the names they stand for."""

METHOD_NAMES: tuple[str, ...] = ("lrp", *ALIASES.values(), "random")
"""Every attribution method, our own first, the null last."""


def canonical(name: Any) -> str:
    """Return the name of a method given by name or alias, in any case, with - or _.

    Raises:
        ValueError: There is no such method.
    """
    word = str(name).strip().lower().replace("_", "-")
    word = ALIASES.get(word, word)
    if word not in METHOD_NAMES:
        close = nearest(word, [*METHOD_NAMES, *ALIASES])
        hint = f"did you mean {' or '.join(close)}? " if close else ""
        known = ", ".join(METHOD_NAMES)
        raise ValueError(f"{name!r} is no attribution method: {hint}The methods are {known}")
    return word
