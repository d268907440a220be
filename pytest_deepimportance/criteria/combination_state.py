"""What a suite has shown of one combination space: sets that grow and merge by union."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.clustering.combinations import CombinationSpace, unique_combinations
from pytest_deepimportance.data.activations import UNKNOWN, ActivationBatch

_PENDING_ROWS = 1 << 13
"""Rows kept before repeated combinations are dropped."""


class CombinationState:
    """The distinct combinations seen in one space, and which inputs could not be judged.

    Inputs are kept as digests, not as counts, so that an input seen twice counts once and states
    of tests, workers and shards merge in any order.

    Attributes:
        near: For each input with a value near a cluster boundary, the smallest m for which it has
            one, by digest.
        unlabelled: Digests of inputs that a class space could not judge for want of a label.
        unvisited: Digests of inputs whose pass did not reach a needed layer.
        labelled: Whether any input had a label.
    """

    def __init__(self, space: CombinationSpace) -> None:
        self.space = space
        self.reset()

    def reset(self) -> None:
        """Forget everything seen."""
        self._parts = [np.zeros((0, len(self.space.neurons)), dtype=np.uint8)]
        self._pending = 0
        self.near: dict[int, int] = {}
        self.unlabelled: set[int] = set()
        self.unvisited: set[int] = set()
        self.labelled = False

    @property
    def codes(self) -> NDArray[np.uint8]:
        """Distinct combinations of all clustered neurons in ascending order, (S, M)."""
        if len(self._parts) > 1:
            rows = np.concatenate(self._parts)
            self._parts = [unique_combinations(rows, self.space.ks)[0]]
            self._pending = 0
        return self._parts[0]

    @property
    def judged(self) -> bool:
        """Whether the inputs could be judged: a class space needs labels."""
        return self.labelled or not self.unlabelled

    def near_boundary(self, m: int) -> int:
        """Return the number of inputs with a value near a boundary among the first m neurons."""
        return sum(depth <= m for depth in self.near.values())

    def update(self, batch: ActivationBatch) -> None:
        """Take in the rows of `batch` that belong to the space.

        Raises:
            LayerError: A layer has fewer neurons than the space needs.
            IdcError: A needed value is NaN or infinite.
        """
        batch = self._own_rows(batch)
        if not len(batch):
            return
        if not self.space.visited(batch):
            self.unvisited.update(batch.digests.tolist())
            return
        values = self.space.values(batch)
        codes = self.space.keep_codes(batch, self.space.codes(values))
        self._add(unique_combinations(codes, self.space.ks)[0])
        depth = self.space.boundary_depth(values)
        near = np.flatnonzero(depth)
        self._add_near(zip(batch.digests[near].tolist(), depth[near].tolist(), strict=True))

    def merge(self, other: CombinationState) -> None:
        """Take in everything that `other` has seen."""
        self._add(other.codes)
        self._add_near(other.near.items())
        self.unlabelled |= other.unlabelled
        self.unvisited |= other.unvisited
        self.labelled = self.labelled or other.labelled

    def to_arrays(self) -> dict[str, Any]:
        """Return the state as numpy arrays and builtins, the same for equal states."""
        near = sorted(self.near.items())
        return {
            "codes": self.codes,
            "near": np.array([digest for digest, _ in near], dtype=np.uint64),
            "near_m": np.array([depth for _, depth in near], dtype=np.int64),
            "unlabelled": np.array(sorted(self.unlabelled), dtype=np.uint64),
            "unvisited": np.array(sorted(self.unvisited), dtype=np.uint64),
            "labelled": self.labelled,
        }

    def set_arrays(self, data: Mapping[str, Any]) -> None:
        """Replace the state by one that `to_arrays` returned."""
        self.reset()
        self._parts = [data["codes"]]
        self.near = dict(zip(data["near"].tolist(), data["near_m"].tolist(), strict=True))
        self.unlabelled = set(data["unlabelled"].tolist())
        self.unvisited = set(data["unvisited"].tolist())
        self.labelled = bool(data["labelled"])

    def _own_rows(self, batch: ActivationBatch) -> ActivationBatch:
        """Return the rows with the space's true class; note those without a label."""
        if self.space.class_index is None:
            return batch
        unknown = batch.labels == UNKNOWN
        self.unlabelled.update(batch.digests[unknown].tolist())
        self.labelled = self.labelled or not bool(unknown.all())
        own = self.space.own_rows(batch)
        return batch if own.all() else batch.select(own)

    def _add(self, codes: NDArray[np.uint8]) -> None:
        self._parts.append(codes)
        self._pending += len(codes)
        if self._pending > _PENDING_ROWS:
            self._parts = [self.codes]

    def _add_near(self, found: Any) -> None:
        for digest, depth in found:
            self.near[digest] = min(depth, self.near.get(digest, depth))
