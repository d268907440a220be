from __future__ import annotations

import numpy as np

from pytest_deepimportance.criteria.combination_state import CombinationState
from tests.criteria.builders import batch_of, idc_of, space_of, with_centroids

TWO = space_of([with_centroids(0, 10), with_centroids(0, 10)])


def seen(*rows, digests=None):
    state = CombinationState(TWO)
    state.update(batch_of(rows, digests=digests))
    return state


def test_an_input_is_near_a_boundary_from_its_smallest_m_on():
    late, early = seen((1, 5), digests=[7]), seen((5, 1), digests=[7])
    assert [late.near_boundary(m) for m in (1, 2)] == [0, 1]
    late.merge(early)
    assert [late.near_boundary(m) for m in (1, 2)] == [1, 1]


def test_arrays_hold_the_whole_state():
    state = seen((1, 5), (9, 9), (0, 0), digests=[2**63 + 1, 5, 3])
    copy = CombinationState(TWO)
    copy.set_arrays(state.to_arrays())
    assert copy.near == state.near == {2**63 + 1: 2}
    assert np.array_equal(copy.codes, state.codes)
    assert copy.codes.tolist() == [[0, 0], [1, 1]]


def test_reset_forgets_everything():
    state = seen((1, 5))
    state.reset()
    empty = CombinationState(TWO).to_arrays()
    assert {k: np.array_equal(v, empty[k]) for k, v in state.to_arrays().items()} == dict.fromkeys(
        empty, True
    )


def test_a_class_space_judges_only_labelled_rows():
    state = CombinationState(space_of([with_centroids(0, 10)] * 2, class_index=1))
    state.update(batch_of([(0, 0), (9, 9)], labels=[-1, -1]))
    assert (state.judged, len(state.unlabelled), len(state.codes)) == (False, 2, 0)
    state.update(batch_of([(0, 0), (9, 9)], labels=[0, 1], digests=[8, 9]))
    assert (state.judged, state.codes.tolist()) == (True, [[1, 1]])


def test_many_updates_keep_only_distinct_combinations(monkeypatch):
    monkeypatch.setattr("pytest_deepimportance.criteria.combination_state._PENDING_ROWS", 4)
    idc = idc_of(space_of([with_centroids(0, 1)] * 3), [(0, 0, 0)])
    for i in range(40):
        idc.update(batch_of([(i & 1, (i >> 1) & 1, 0)]))
    assert idc.compute()[0].covered == 4
    assert len(idc.states["fc"]._parts) <= 6
