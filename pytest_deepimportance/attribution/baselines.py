"""Where paths begin: zero, a number, the mean of a sample of inputs, or the sample's rows."""

from __future__ import annotations

import torch
from torch import Tensor

from pytest_deepimportance import parsing
from pytest_deepimportance.attribution.captum_model import Arguments
from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.errors import AttributionError

Baseline = str | float
""""zero", "mean" (of the background), or the number that every input value begins at."""


def parse_baseline(baseline: Baseline) -> Baseline:
    """Return "mean" or a number.

    Raises:
        AttributionError: Anything else.
    """
    try:
        word = parsing.baseline(baseline)
    except ValueError as error:
        raise AttributionError(
            f"baseline: {error}",
            "Attributions say what changes between the baseline and the input.",
            "For example: --idc-attribution-baseline zero",
        ) from None
    return word if word == "mean" else 0.0 if word == "zero" else float(word)


class Background:
    """Seeded rows of inputs that stand for "no information".

    Args:
        call: Rows to draw from: the reference, as much of it as one likes.
        samples: How many rows are drawn, without repetition; all, where there are fewer.
        seed: Of the draw.
    """

    def __init__(self, call: ModelCall, samples: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        chosen = torch.randperm(call.rows, generator=generator)[:samples].sort().values
        self.available, self.rows = call.rows, len(chosen)
        self._signals = Arguments(call.select(chosen)).signals

    def tensors(self, like: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the rows, on the devices of `like`.

        Raises:
            AttributionError: They have another shape than the inputs.
        """
        pairs = list(zip(self._signals, like, strict=False))
        if len(self._signals) != len(like) or any(a.shape[1:] != b.shape[1:] for a, b in pairs):
            shapes = [tuple(tensor.shape[1:]) for tensor in (*self._signals, *like)]
            raise AttributionError(
                f"the sample of inputs does not fit this batch: {shapes}",
                "Every input is compared with every row of the sample.",
                "Pad inputs to one size, or use a method without a sample.",
            )
        return tuple(a.to(b.device, b.dtype) for a, b in pairs)

    def mean(self, like: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the mean row of each input, (1, ...)."""
        return tuple(tensor.mean(0, keepdim=True) for tensor in self.tensors(like))
