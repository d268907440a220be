"""Neurons a few hundred at a time, across narrow layers and within wide ones.

What looks at every neuron by itself is then fast whatever the widths of the layers: a layer of six
neurons is not worth a dozen array operations, and one of two thousand does not fit into the cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_deepimportance.data.activations import ActivationBatch

WIDTH = 256
"""Neurons of a block, at most."""


@dataclass(frozen=True)
class NeuronBlock:
    """Neighbouring neurons in the order of the layers.

    Attributes:
        start, stop: Their positions among the neurons of all layers.
        pieces: The same as (layer, start, stop) within layers.
    """

    start: int
    stop: int
    pieces: tuple[tuple[str, int, int], ...]

    @property
    def span(self) -> slice:
        """Positions as a slice."""
        return slice(self.start, self.stop)


@lru_cache(maxsize=64)
def neuron_blocks(
    layers: tuple[tuple[str, int], ...], present: frozenset[str]
) -> tuple[NeuronBlock, ...]:
    """Return the blocks of the layers (name, neurons) that are present."""
    blocks: list[NeuronBlock] = []
    position = 0
    for name, width in layers:
        for start in range(0, width if name in present else 0, WIDTH):
            stop = min(start + WIDTH, width)
            own = NeuronBlock(position + start, position + stop, ((name, start, stop),))
            last = blocks[-1] if blocks else None
            if last and last.stop == own.start and own.stop - last.start <= WIDTH:
                blocks[-1] = NeuronBlock(last.start, own.stop, last.pieces + own.pieces)
            else:
                blocks.append(own)
        position += width
    return tuple(blocks)


@dataclass(frozen=True)
class BlockValues:
    """Values of a block, (N, U), with each neuron's extremes over the rows, (U,)."""

    values: NDArray[np.floating]
    low: NDArray[np.floating]
    high: NDArray[np.floating]


def block_values(batch: ActivationBatch, block: NeuronBlock) -> BlockValues:
    """Return the values of a block; criteria that ask for the same one share it."""
    if block not in batch.memo:
        parts = [batch.view(name)[:, start:stop] for name, start, stop in block.pieces]
        if len(parts) == 1:
            values = np.ascontiguousarray(parts[0])
        else:  # torch joins columns twice as fast as numpy
            values = torch.cat([torch.from_numpy(part) for part in parts], dim=1).numpy()
        batch.memo[block] = BlockValues(values, values.min(axis=0), values.max(axis=0))
    found: BlockValues = batch.memo[block]
    return found


def largest_values(
    batch: ActivationBatch, blocks: tuple[NeuronBlock, ...], neurons: int
) -> NDArray[np.floating]:
    """Return the largest value over the rows of each of all `neurons`, minus infinity elsewhere."""
    return _spread([(b.span, block_values(batch, b).high) for b in blocks], neurons, -np.inf)


def smallest_values(
    batch: ActivationBatch, blocks: tuple[NeuronBlock, ...], neurons: int
) -> NDArray[np.floating]:
    """Return the smallest value over the rows of each of all `neurons`, infinity elsewhere."""
    return _spread([(b.span, block_values(batch, b).low) for b in blocks], neurons, np.inf)


def _spread(
    found: Sequence[tuple[slice, NDArray[np.floating]]], neurons: int, fill: float
) -> NDArray[np.floating]:
    kind = np.result_type(np.float32, *(values for _, values in found))
    result = np.full(neurons, fill, dtype=kind)
    for span, values in found:
        result[span] = values
    return result
