"""Names of the rules of layer-wise relevance propagation: the one table of `lrp_rule`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_deepimportance.errors import did_you_mean

RULES: Mapping[str, str] = {
    "z": "to each input its part of the sum",
    "epsilon": "as z, with a stabiliser below the line",
    "gamma": "positive contributions count 1 + lrp_gamma times",
    "alpha-beta": "lrp_alpha for the positive contributions, 1 - lrp_alpha for the negative ones",
    "z-plus": "positive contributions only (alpha 1, beta 0)",
    "flat": "the same part to each input",
    "z-box": "distance from the bounds lrp_low and lrp_high, for what reads the model's input",
}
"""Rules for linear operations by name; formulas: docs/lrp.md."""


@dataclass(frozen=True)
class Composite:
    """A set of rules by the kind and the position of an operation.

    Attributes:
        dense: Rule of fully connected layers and contractions with a constant.
        conv: Rule of convolutions, transposed ones too.
        first: Rule of what reads the model's input, None for that of its kind.
    """

    dense: str
    conv: str
    first: str | None = None


COMPOSITES: Mapping[str, Composite] = {
    "epsilon": Composite("epsilon", "epsilon"),
    "paper": Composite("z", "z"),
    "epsilon-plus": Composite("epsilon", "z-plus"),
    "epsilon-gamma-box": Composite("epsilon", "gamma", "z-box"),
}
"""Composites by name."""

EVERYWHERE = tuple(name for name in RULES if name != "z-box")
"""Rules that may hold for every operation of a model."""

CHOICES = (*EVERYWHERE, *(name for name in COMPOSITES if name not in RULES))
"""What the setting `lrp_rule` accepts."""


def composite(name: str) -> Composite:
    """Return the composite of a name in `CHOICES`; a rule alone holds everywhere."""
    return COMPOSITES.get(name) or Composite(name, name)


def parse_rule(value: Any) -> str:
    """Accept a name in `CHOICES`.

    Raises:
        ValueError: Another value; the message says what is near, or what to use instead.
    """
    name = str(value).strip().lower()
    if name in CHOICES:
        return name
    if name == "z-box":
        raise ValueError(
            "'z-box' is a rule for the layer that reads the model's input, not for all: "
            "use epsilon-gamma-box"
        )
    hint = did_you_mean(name, CHOICES)
    raise ValueError(f"{value!r} is not one of: {', '.join(CHOICES)}" + (f"; {hint}" * bool(hint)))
