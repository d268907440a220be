"""Coverage, share and accuracy of the slices of a suite, and of pairs of slices."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations as pairs_of

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.companions import SliceRow
from pytest_deepimportance.data.activations import UNKNOWN
from pytest_deepimportance.data.tags import UNTAGGED, Tags, number_of, tags_of
from pytest_deepimportance.engine.combinations import Combinations
from pytest_deepimportance.engine.rows import DistinctInputs
from pytest_deepimportance.engine.states import BlockState

MOST_VALUES = 50
"""A name with more values is no slice but an identifier."""

Marked = Sequence[tuple[str, Tags]]
"""(block key, tags) for every block that a test whose marker names slices claims."""


def slices(
    states: Sequence[BlockState],
    marked: Marked,
    inputs: DistinctInputs,
    combinations: Combinations | None,
) -> tuple[SliceRow, ...]:
    """Return a row for each slice and each pair that occurs, single ones first.

    Args:
        states: Blocks of the suite.
        inputs: Their distinct inputs.
        combinations: Of the rows of `states`; None where there is no IDC over all classes.
    """
    tagged = _tagged(states, marked)
    if not tagged:
        return ()
    dropped = _with_too_many_values(tagged)
    members: dict[Tags, list[NDArray[np.int64]]] = {}
    for number, digests in tagged.items():
        places = np.searchsorted(inputs.digests, np.concatenate(digests))
        tags = [tag for tag in tags_of(number) if tag[0] not in dropped]
        for key in [*((tag,) for tag in tags), *pairs_of(tags, 2)]:
            members.setdefault(key, []).append(places)
    return tuple(
        _row(key, np.unique(np.concatenate(members[key])), inputs, combinations)
        for key in sorted(members, key=lambda key: (len(key), key))
    )


def too_many_values(states: Sequence[BlockState], marked: Marked) -> list[str]:
    """Return a sentence for each name that is left out because of its many values."""
    return [
        f"slice {name} is not shown: it has {values} values, more than {MOST_VALUES}"
        for name, values in sorted(_with_too_many_values(_tagged(states, marked)).items())
    ]


def _tagged(states: Sequence[BlockState], marked: Marked) -> dict[int, list[NDArray[np.uint64]]]:
    """Return the digests of the rows with each number of tags."""
    found: dict[int, list[NDArray[np.uint64]]] = {}
    of_block: dict[str, set[Tags]] = {}
    for key, tags in marked:
        of_block.setdefault(key, set()).add(tags)
    for state in states:
        outer = of_block.get(state.key, set())
        if not len(state.digests) or (state.tags is None and not outer):
            continue
        own = np.zeros(len(state.digests), np.int32) if state.tags is None else state.tags
        order = np.argsort(own, kind="stable")
        numbers, starts = np.unique(own[order], return_index=True)
        groups = np.split(state.digests[order], starts[1:])
        for number, rows in zip(numbers.tolist(), groups, strict=True):
            # What a row says of itself decides where the marker says something else.
            both = {number_of(_merged(tags, tags_of(number))) for tags in outer} or {number}
            for each in both - {UNTAGGED}:
                found.setdefault(each, []).append(rows)
    return found


def _merged(outer: Tags, inner: Tags) -> Tags:
    return tuple(sorted({**dict(outer), **dict(inner)}.items()))


def _with_too_many_values(tagged: dict[int, list[NDArray[np.uint64]]]) -> dict[str, int]:
    values: dict[str, set[str]] = {}
    for number in tagged:
        for name, value in tags_of(number):
            values.setdefault(name, set()).add(value)
    return {name: len(found) for name, found in values.items() if len(found) > MOST_VALUES}


def _row(
    key: Tags,
    members: NDArray[np.int64],
    inputs: DistinctInputs,
    combinations: Combinations | None,
) -> SliceRow:
    labels, predictions = inputs.labels[members], inputs.predictions[members]
    known = labels != UNKNOWN
    measured = None if combinations is None else combinations.measure(inputs.chosen[members])
    return SliceRow(
        tags=dict(key),
        inputs=len(members),
        labelled=int(known.sum()),
        correct=int((known & (labels == predictions)).sum()),
        covered=None if measured is None else measured.covered,
        total=None if combinations is None else combinations.total,
        exercised_rows=None if measured is None else measured.exercised_rows,
        reference_rows=None if combinations is None else combinations.counts.rows,
    )
