"""How the combinations of a suite add up, input by input, beside random suites of each size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.engine.combinations import Combinations
from pytest_deepimportance.engine.states import BlockState
from pytest_deepimportance.exercise import GrowthPoint, NeuronHits
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.statistics.expectation import (
    Expectation,
    for_other_inputs,
    random_suites,
)
from pytest_deepimportance.statistics.rows import found_in, openings

POINTS = 24
"""Points of a curve: enough to draw one, few enough to cost nothing."""


def growth(profile: Profile, states: Sequence[BlockState]) -> tuple[GrowthPoint, ...]:
    """Return the growth of covered combinations; empty without one space of all classes.

    Inputs come in the order of their blocks' keys, so the curve does not depend on workers.
    """
    ordered = sorted(states, key=lambda state: state.key)
    found = Combinations.of(profile, ordered)
    if found is None:
        return ()
    digests = np.concatenate([state.digests for state in ordered])
    rows, new = openings(digests, found.codes, found.visited)
    if not len(rows):
        return ()
    reached = found_in(found.codes[rows], found.counts.codes)
    steps = np.unique(np.linspace(1, len(rows), POINTS).round().astype(np.int64))
    covered, within = np.cumsum(new), np.cumsum(new & reached)
    null = profile.null.counts.get(profile.whole_spaces[0].name)
    return tuple(
        _point(
            int(step),
            int(covered[step - 1]),
            int((within if null is None else covered)[step - 1]),
            _expected(
                found.counts.counts
                if null is None
                else null.prefix(profile.whole_spaces[0].m).counts,
                int(step),
                held_out=null is not None,
            ),
        )
        for step in steps
    )


def hits(
    profile: Profile, found: Combinations | None, rows: NDArray[np.int64]
) -> tuple[NeuronHits, ...]:
    """Return who falls into each cluster of the m important neurons.

    Args:
        found: The suite's combinations, None where there is not one space of all classes.
        rows: One row for each distinct input.
    """
    if found is None:
        return ()
    space = profile.whole_spaces[0]
    codes = found.codes[rows][found.visited[rows]]
    reference = found.counts
    return tuple(
        NeuronHits(
            layer=layer,
            index=index,
            reference_rows=_by_cluster(reference.codes[:, at], space.ks[at], reference.counts),
            inputs=_by_cluster(codes[:, at], space.ks[at]),
        )
        for at, (layer, index) in enumerate(space.neurons[: space.m])
    )


def _by_cluster(
    codes: NDArray[np.uint8], clusters: int, weights: NDArray[np.int64] | None = None
) -> tuple[int, ...]:
    counts = np.bincount(codes, weights=weights, minlength=clusters)
    return tuple(int(number) for number in counts)


def _point(inputs: int, covered: int, compared: int, random: Expectation) -> GrowthPoint:
    if not random.comparable:
        return GrowthPoint(inputs, covered, compared)
    return GrowthPoint(inputs, covered, compared, random.expected, random.low, random.high)


def _expected(counts: NDArray[np.int64], inputs: int, *, held_out: bool) -> Expectation:
    found = random_suites([(counts, inputs)])
    return for_other_inputs(found, inputs, int(counts.sum())) if held_out else found
