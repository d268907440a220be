"""Distance-based surprise: how far an activation is from its class, and that class from others.

Kim, Feldt, Yoo: Guiding Deep Learning System Testing Using Surprise Adequacy, ICSE 2019:

    DSA(x) = |x - x_a| / |x_a - x_b|

x_a is the reference row of the input's class nearest to x, x_b the reference row of any other class
nearest to x_a. Of equally near rows x_a is the first.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.statistics.class_groups import by_class
from pytest_deepimportance.statistics.neighbours import NeighbourSearch
from pytest_deepimportance.statistics.traces import Traces

Floats = NDArray[np.float64]

_UNASKED = -1.0


class DistanceRatios:
    """Distance ratios to the reference's traces.

    What is asked of a reference row is kept: |x_a - x_b| of each x_a that occurs.
    """

    def __init__(self, traces: Traces) -> None:
        self._traces = traces
        self._own: dict[int, NeighbourSearch] = {}
        self._to_other = np.full(len(traces), _UNASKED)

    def comparable(self, classes: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return for each class (N,) whether the reference has rows of it and of another, (N,)."""
        known = list(self._traces.class_rows)
        return np.isin(classes, known if len(known) > 1 else [])

    def ratios(self, values: NDArray[np.floating], classes: NDArray[np.int64]) -> Floats:
        """Return the DSA of rows (N, d) of the given classes (N,), (N,).

        NaN where there is nothing to compare with and for 0/0, infinite for a positive distance
        divided by 0.
        """
        result = np.full(len(values), np.nan)
        chosen = np.flatnonzero(self.comparable(classes))
        for label, rows in by_class(classes[chosen]):
            index = chosen[rows]
            nearest, to_own = self._search(label).nearest(values[index])
            to_other = self._distances_to_others(label, nearest)
            with np.errstate(divide="ignore", invalid="ignore"):
                result[index] = to_own / to_other
        return result

    @cached_property
    def _all(self) -> NeighbourSearch:
        return NeighbourSearch(self._traces.values)

    def _search(self, label: int) -> NeighbourSearch:
        if label not in self._own:
            self._own[label] = NeighbourSearch(self._traces.values[self._traces.rows_of(label)])
        return self._own[label]

    def _distances_to_others(self, label: int, rows: NDArray[np.int64]) -> Floats:
        """Return the distance of a class's rows, numbered within it, to the other classes."""
        own = self._traces.rows_of(label)
        known = self._to_other[own]
        new = np.unique(rows[known[rows] == _UNASKED])
        if len(new):
            known[new] = self._all.nearest(self._traces.values[own][new], without=own)[1]
        result: Floats = known[rows]
        return result
