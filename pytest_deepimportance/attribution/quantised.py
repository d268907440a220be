"""Quantised modules: they compute in integers, so no gradient flows back through them."""

from __future__ import annotations

from torch import nn

from pytest_deepimportance.errors import MethodUnavailable

_ROOMS = ("torch.ao.nn.quantized", "torch.nn.quantized", "torch.ao.nn.intrinsic.quantized")


def refuse_quantised(model: nn.Module, method: str) -> None:
    """Refuse a model with quantised modules: torch would give zeros with no more than a warning.

    Raises:
        MethodUnavailable: There is such a module.
    """
    for name, module in model.named_modules():
        if type(module).__module__.startswith(_ROOMS):
            raise MethodUnavailable(
                f"module {name!r} is quantised ({type(module).__name__}): {method} needs gradients",
                "No gradient flows back through operations on integers.",
                "Take the model before quantisation, or feature-ablation, which needs none.",
            )
