"""The images of inputs that opened new combinations, for the HTML page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pytest_deepimportance.data.activations import UNKNOWN
from pytest_deepimportance.engine.combinations import Combinations
from pytest_deepimportance.engine.rows import distinct_inputs
from pytest_deepimportance.engine.sessions import TestState
from pytest_deepimportance.engine.states import BlockState
from pytest_deepimportance.pictures import SHOWN, Picture, Pictures
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.statistics.rows import openings


def pictures(
    profile: Profile, states: Sequence[BlockState], tests: Sequence[TestState]
) -> Pictures | None:
    """Return the first inputs that opened a combination and have an image.

    Inputs come in the order of their blocks' keys, as in the growth curve, so the choice does not
    depend on workers.

    Args:
        states: Blocks of the total.

    Returns:
        None where no image was kept, or without one space of all classes.
    """
    ordered = sorted(states, key=lambda state: state.key)
    images = {digest: image for state in ordered for digest, image in state.thumbnails.items()}
    found = Combinations.of(profile, ordered) if images else None
    if found is None:
        return None
    digests = np.concatenate([state.digests for state in ordered])
    rows, new = openings(digests, found.codes, found.visited)
    opened = rows[new]
    shown = [int(row) for row in opened if int(digests[row]) in images][:SHOWN]
    places = _places(ordered, tests)
    inputs = distinct_inputs(ordered)
    occurring = found.occurrences(np.array(shown, dtype=np.int64))
    result = []
    for row, reference_rows in zip(shown, occurring.tolist(), strict=True):
        image = images[int(digests[row])]
        at = int(np.searchsorted(inputs.digests, digests[row]))
        source, place = places[row]
        result.append(
            Picture(
                png=image.png,
                source=source,
                row=place,
                predicted=_name(profile, int(inputs.predictions[at])),
                label=_name(profile, int(inputs.labels[at])),
                combination=tuple(found.codes[row].tolist()),
                reference_rows=reference_rows,
                low=image.low,
                high=image.high,
            )
        )
    return Pictures(opened=len(opened), shown=tuple(result))


def _name(profile: Profile, index: int) -> str | None:
    return None if index == UNKNOWN else profile.class_name(index)


def _places(states: Sequence[BlockState], tests: Sequence[TestState]) -> list[tuple[str, int]]:
    """Return for each row of all blocks the test that it belongs to, and its number there.

    The rows of a fixture belong to the first test that uses it, and are counted by themselves.
    Inputs measured without pytest are one test in several blocks, whose rows are counted on.
    """
    owners: dict[str, str] = {}
    for test in sorted((test for test in tests if test.counts), key=lambda test: test.nodeid):
        for _, key in test.claims:
            owners.setdefault(key, test.nodeid)
    result: list[tuple[str, int]] = []
    counted: dict[str, int] = {}
    for state in states:
        source = owners[state.key]
        if state.kind == "fixture":
            source += f", fixture {state.key.rpartition('::')[2]}"
        start = counted.get(source, 0)
        result += [(source, start + row) for row in range(len(state.digests))]
        counted[source] = start + len(state.digests)
    return result
