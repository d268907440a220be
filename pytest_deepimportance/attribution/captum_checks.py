"""What must hold of the pass that captum runs before it is believed."""

from __future__ import annotations

from torch import Tensor

from pytest_deepimportance.attribution.captum_model import Tapped
from pytest_deepimportance.errors import AttributionError, MethodUnavailable

_TOLERANCE = 1e-4
"""Largest difference to the bare pass, relative to the largest target."""


def check_same(method: str, bare: Tensor, result: Tensor) -> None:
    """Compare the targets of the bare pass and of captum's, (N,) each.

    Raises:
        AttributionError: They differ.
    """
    off = float((bare.double() - result.double()).abs().nan_to_num().max())
    largest = float(bare.double().abs().nan_to_num().max())
    if off > _TOLERANCE * max(largest, 1e-12):
        raise AttributionError(
            f"the forward pass that {method} needs differs from the bare one by {off:.1e}",
            "Attributions of another computation say nothing about this model.",
            "If the forward is random or keeps state between calls, make it deterministic in "
            "eval mode.",
        )


def check_used(tapped: Tapped) -> None:
    """Refuse a site whose tensor captum reads, but the model does not go on with.

    Raises:
        MethodUnavailable: There is one.
    """
    lost = sorted(tapped.overwritten - tapped.used)
    if lost:
        raise MethodUnavailable(
            f"layer {lost[0]!r} is overwritten in place and what is returned is not used",
            "captum would read another tensor than the model goes on with.",
            "Use lrp, or use the function's return value in the forward.",
        )
