"""Wrappers that only say where and how a module runs, and the module inside."""

from __future__ import annotations

from torch import nn

from pytest_deepimportance.data.batches import describe
from pytest_deepimportance.errors import ModelLoadError

_PARALLEL = (nn.DataParallel, nn.parallel.DistributedDataParallel)


def eager(model: nn.Module) -> nn.Module:
    """Return the module behind wrappers.

    These are torch.compile (hooks do not fire in compiled code) and the data-parallel ones.

    Raises:
        ModelLoadError: It is no module.
    """
    if not isinstance(model, nn.Module):
        raise ModelLoadError(
            f"the model is {describe(model)}, not a torch.nn.Module",
            fix="Pass the module itself; a file or name is loaded with load_model(SPEC).",
        )
    inner = getattr(model, "module" if isinstance(model, _PARALLEL) else "_orig_mod", None)
    return eager(inner) if isinstance(inner, nn.Module) else model


def wrapper_notes(model: nn.Module) -> tuple[str, ...]:
    """Return what to say of a module that runs on one device here and on several elsewhere."""
    if not isinstance(model, _PARALLEL):
        return ()
    kind = type(model).__name__
    return (f"{kind}: the module inside it is what runs, on the device of its parameters",)
