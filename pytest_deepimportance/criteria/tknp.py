"""Top-k neuron patterns: distinct combinations of every layer's most active neurons."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_deepimportance.criteria.base import Criterion, register
from pytest_deepimportance.criteria.bits import CHUNK, check_width
from pytest_deepimportance.criteria.plain import from_plain, to_plain
from pytest_deepimportance.criteria.ranking import close_calls, most_active
from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.data.digests import odd_numbers
from pytest_deepimportance.results import CriterionRow
from pytest_deepimportance.statistics.incidence import RowItems
from pytest_deepimportance.statistics.rows import group_starts, sorted_order

if TYPE_CHECKING:
    from typing import Self  # Python 3.11; never imported when the code runs

Patterns = NDArray[np.uint64]
"""(P, 3): two hashes of a pattern, and 1 where it is in doubt."""

_SECOND = 1 << 40
"""Position from which the second sequence of weights starts."""


@register
class TopKNeuronPatterns(Criterion):
    """TKNP = number of distinct patterns (top-k of layer 1, ..., top-k of layer L); a count.

    Ma et al.: DeepGauge, ASE 2018, definition of TKNPat: the top-k of a layer is a set. A pattern
    is kept as a hash of 128 bits.

    Args:
        layers: Neurons of each layer.
        tknp_k: How many neurons of each layer belong to a pattern.
        tknp_ordered: Their order counts too.
        bounds_tolerance: Decides how close two values must be to be in doubt.
    """

    name = "TKNP"
    unit = "count"
    needs = ("layers",)
    options = ("tknp_k", "tknp_ordered", "bounds_tolerance")

    def __init__(
        self,
        layers: Mapping[str, int],
        tknp_k: int = 1,
        tknp_ordered: bool = False,
        bounds_tolerance: float = 1e-5,
    ) -> None:
        super().__init__()
        self.layers = dict(layers)
        self._k, self._ordered, self._tolerance = tknp_k, tknp_ordered, bounds_tolerance
        self._parts: list[Patterns] = []

    @torch.no_grad()
    def update(self, batch: ActivationBatch) -> None:
        """Take in the patterns of the rows of one forward pass.

        Raises:
            LayerError: A layer has another number of neurons than in the reference.
        """
        if len(batch):
            self._parts += [self._patterns(part) for part in batch.chunks(CHUNK)]

    def items(self, batch: ActivationBatch) -> RowItems:
        """Return the hash of each row's pattern."""
        patterns = self._patterns(batch)[:, 0].view(np.int64)
        return RowItems.one_each(patterns, np.ones(len(batch), dtype=bool))

    def held(self) -> NDArray[np.int64]:
        """Return the hashes of the patterns seen so far."""
        return np.unique(self.patterns[:, 0].view(np.int64))

    def _patterns(self, batch: ActivationBatch) -> Patterns:
        hashes = np.zeros((len(batch), 3), dtype=np.uint64)
        start = 1
        for name, width in self.layers.items():
            k = min(self._k, width)
            if name in batch.layers:  # a layer that was not visited leaves 0 in its places
                check_width(name, batch, width)
                ranks = most_active(batch, name, k + 1)
                top = ranks[0][:, :k]
                if not self._ordered:
                    top = np.sort(top, axis=1)
                marks = (top + 1).astype(np.uint64)
                for column, first in enumerate((start, _SECOND + start)):
                    hashes[:, column] += marks @ odd_numbers(first, k).view(np.uint64)
                hashes[close_calls(ranks, k, self._tolerance / 10), 2] = 1
            start += k
        return hashes

    @property
    def patterns(self) -> Patterns:
        """Distinct patterns in a fixed order; one seen without doubt is not in doubt."""
        if len(self._parts) != 1:
            joined = np.concatenate([np.empty((0, 3), dtype=np.uint64), *self._parts])
            self._parts = [joined]
        # Sorted with the doubt last, so that the first of equal hashes is the surest.
        ordered = self._parts[0][sorted_order(self._parts[0])]
        self._parts = [ordered[group_starts(ordered[:, :2])]]
        return self._parts[0]

    def merge(self, other: Self) -> None:
        """Take in the patterns that `other` has seen."""
        self._parts += other._parts

    def reset(self) -> None:
        """Forget everything seen."""
        self._parts = []

    def get_extra_state(self) -> dict[str, Any]:
        """Return the distinct patterns as builtins and bytes."""
        plain: dict[str, Any] = to_plain({"patterns": self.patterns})
        return plain

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Replace the state by one that `get_extra_state` returned."""
        self._parts = [from_plain(state["patterns"])]

    def compute(self) -> tuple[CriterionRow, ...]:
        """Return the row over all layers: a pattern spans them."""
        patterns = self.patterns
        possible = math.prod(math.comb(n, min(self._k, n)) for n in self.layers.values())
        if self._ordered:
            possible *= math.prod(math.factorial(min(self._k, n)) for n in self.layers.values())
        details = {
            "k": self._k,
            "ordered": self._ordered,
            "possible_patterns": possible,
            "near_boundary": int(patterns[:, 2].sum()),
        }
        return (CriterionRow(self.name, self.unit, len(patterns), details=details),)
