"""A seeded sample of the rows of a stream of batches whose length nobody knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.errors import SettingsError


def drawn(calls: Iterable[ModelCall], count: int, seed: int) -> Iterator[ModelCall]:
    """Yield `count` rows of a stream (all, if it has fewer), in their order, in its batches.

    Every row gets a random number; the rows with the smallest are taken, so that each is as likely
    as any other, and the same rows are drawn whatever the batch size. Rows that may still be drawn
    are kept, about count * (1 + log(rows / count)) of them.

    Raises:
        SettingsError: `count` is below 1.
    """
    if count < 1:
        raise SettingsError(
            f"samples = {count} is not 1 or more",
            "Importance is a sum over inputs.",
            "Give a number of inputs from 1, or None for all of them.",
        )
    generator = np.random.default_rng(seed)
    kept: list[tuple[ModelCall, NDArray[np.float64]]] = []
    smallest = np.empty(0)
    for call in calls:
        numbers = generator.random(call.rows)
        smallest = np.sort(np.concatenate([smallest, numbers]))[:count]
        _keep(kept, call, numbers, smallest[-1] if len(smallest) == count else np.inf)
    limit = smallest[-1] if len(smallest) else 0.0
    for call, numbers in kept:
        chosen = np.flatnonzero(numbers <= limit)
        if len(chosen):
            yield call.select(torch.from_numpy(chosen))


def _keep(
    kept: list[tuple[ModelCall, NDArray[np.float64]]],
    call: ModelCall,
    numbers: NDArray[np.float64],
    limit: float,
) -> None:
    chosen = np.flatnonzero(numbers <= limit)
    if len(chosen):
        kept.append((call.select(torch.from_numpy(chosen)), numbers[chosen]))
