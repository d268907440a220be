"""The scale of surprise coverage: equal buckets between 0 and an upper end.

Kim, Feldt, Yoo: Guiding Deep Learning System Testing Using Surprise Adequacy, ICSE 2019. Bucket i
of n covers (U (i - 1) / n, U i / n], so 0 and values above U are in none.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NEAR = 1e-6
"""A value nearer to an edge than this part of the edge may fall on either side by rounding."""


@dataclass(frozen=True)
class Buckets:
    """`count` buckets up to `upper`.

    Attributes:
        upper: U; where it is not positive (a reference without any surprise) no value is in a
            bucket.
        upper_from: "as asked" or "auto".
    """

    upper: float
    count: int
    upper_from: str = "as asked"

    @cached_property
    def edges(self) -> Floats:
        """U i / n for i = 0..n, the last exactly U, (n + 1,)."""
        edges = self.upper * np.arange(self.count + 1, dtype=np.float64) / self.count
        edges[-1] = self.upper
        return edges

    def inside(self, values: Floats) -> NDArray[np.bool_]:
        """Return whether each value (N,) is in a bucket, (N,)."""
        return (values > 0) & (values <= self.upper)

    def hit(self, values: Floats) -> int:
        """Return the number of distinct buckets that hold a value of (N,)."""
        return len(np.unique(self.number(values[self.inside(values)])))

    def number(self, values: Floats) -> NDArray[np.int64]:
        """Return which bucket holds each value (N,) that is inside, from 0, (N,)."""
        return np.searchsorted(self.edges[1:], values, side="left")

    def near_edge(self, values: Floats) -> NDArray[np.bool_]:
        """Return whether each finite value (N,) is near an edge, (N,).

        Near means within 1e-6 of the edge's own size; for the edge 0, of a bucket's width.
        """
        if self.upper <= 0:
            return np.zeros(len(values), dtype=bool)
        width = self.upper / self.count
        nearest = np.rint(np.clip(values / width, 0, self.count)).astype(np.int64)
        edge = self.edges[nearest]
        return np.asarray(np.abs(values - edge) <= NEAR * np.maximum(edge, width))
