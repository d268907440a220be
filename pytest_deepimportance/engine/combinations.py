"""Which combination each recorded row shows: IDC and share of any part of a suite's rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.engine.merging import codes_of
from pytest_deepimportance.engine.states import UNVISITED, BlockState
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.statistics.prefix_counts import PrefixCounts
from pytest_deepimportance.statistics.rows import places_in, unique_rows


class Measured(NamedTuple):
    """Distinct combinations of some rows, and the reference rows that show one of these."""

    covered: int
    exercised_rows: int


@dataclass(frozen=True)
class Combinations:
    """The rows of several blocks in the one combination space of all classes.

    Attributes:
        codes: Clusters of the m important neurons for each row, in the order of blocks, (N, m).
        visited: Whether the row's pass visited the layer, (N,).
        counts: What the reference shows with these m neurons.
        total: All combinations.
    """

    codes: NDArray[np.uint8]
    visited: NDArray[np.bool_]
    counts: PrefixCounts
    total: int

    @classmethod
    def of(cls, profile: Profile, states: Sequence[BlockState]) -> Combinations | None:
        """Return the combinations of the rows of `states`, None without exactly one such space."""
        spaces = profile.whole_spaces
        codes = codes_of(states, spaces[0]) if states and len(spaces) == 1 else None
        if codes is None:
            return None
        space = spaces[0]
        return cls(
            codes=codes[:, : space.m],
            visited=~(codes == UNVISITED).all(axis=1),
            counts=profile.counts[space.name].prefix(space.m),
            total=space.total(),
        )

    def measure(self, rows: Any) -> Measured:
        """Return what some of the rows cover."""
        codes = unique_rows(self.codes[rows][self.visited[rows]])
        return Measured(len(codes), self.counts.exercise(codes).rows)

    def occurrences(self, rows: Any) -> NDArray[np.int64]:
        """Return how many reference rows show the combination of each of `rows`, -1: none, (n,)."""
        codes = self.codes[rows]
        places = places_in(self.counts.codes, codes)
        # The reference holds at least one row, so that place -1 reads some number, not used.
        found = np.where(places >= 0, self.counts.counts[places], 0)
        return np.where(self.visited[rows], found, -1)
