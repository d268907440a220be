from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance.engine.rows import distinct_inputs, evenness
from pytest_deepimportance.engine.states import BlockState

Row = tuple[int, int, int]


def state(rows: list[Row], key: str = "a") -> BlockState:
    digests, labels, predictions = zip(*rows, strict=True)
    return BlockState(
        key, "test", 1, np.array(digests, dtype=np.uint64), np.array(labels), np.array(predictions),
        {}, {},
    )  # fmt: skip


ROWS = st.lists(
    st.lists(
        st.tuples(st.sampled_from([1, 2, 3, 2**64 - 1]), st.sampled_from([-1, 0]), st.just(0)),
        min_size=1, max_size=6,
    ),
    max_size=4,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_each_input_once_with_its_label_if_any_block_knew_it(blocks: list[list[Row]]) -> None:
    found = distinct_inputs([state(block) for block in blocks])
    known: dict[int, int] = {}
    for block in blocks:
        for digest, label, _ in block:
            known[digest] = max(label, known.get(digest, -1))
    assert found.digests.tolist() == sorted(known)
    assert found.labels.tolist() == [known[digest] for digest in sorted(known)]
    assert found.rows == sum(map(len, blocks))
    assert (len(found), found.labelled) == (len(known), sum(v >= 0 for v in known.values()))


def test_correct_by_class_and_where_classes_come_from() -> None:
    found = distinct_inputs([state([(1, 0, 0), (2, 1, 0)]), state([(3, 1, 1), (1, 0, 0)])])
    assert (found.correct, found.of_class(1), found.of_class(7)) == (2, 2, 0)
    classes, source = found.classes
    assert (classes.tolist(), source) == ([0, 1, 1], "labels")
    partly = distinct_inputs([state([(1, 0, 2), (2, -1, 1)])])
    classes, source = partly.classes
    assert (classes.tolist(), source) == ([2, 1], "predictions")
    assert partly.correct == 0


def test_nothing() -> None:
    found = distinct_inputs([])
    assert (len(found), found.rows, found.labelled, found.correct) == (0, 0, 0, 0)
    assert evenness(found.classes[0], 10) is None


@pytest.mark.parametrize(
    ("classes", "total", "wanted"),
    [
        ([0, 1, 2], 3, 1.0),
        ([0, 0, 0], 3, 0.0),
        ([0, 0, 1, 1], 4, math.log(2) / math.log(4)),
        ([0, -1, 1], 2, 1.0),
        ([-1, -1], 2, None),
        ([0, 0], 1, None),
    ],
)
def test_evenness(classes: list[int], total: int, wanted: float | None) -> None:
    found = evenness(np.array(classes), total)
    assert found == (wanted if wanted is None else pytest.approx(wanted, abs=1e-12))
