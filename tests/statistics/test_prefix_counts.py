from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance.statistics.prefix_counts import Missing
from tests.statistics.tables import WIDTH, counts_of, tables


@settings(max_examples=100, deadline=None)
@given(tables, st.integers(1, WIDTH))
def test_a_prefix_equals_counting_the_prefix(rows, m):
    prefix = counts_of(rows).prefix(m)
    combos = [codes[:m] for codes, _, _ in rows]
    expected = sorted(set(combos))
    assert [tuple(c) for c in prefix.codes.tolist()] == expected
    assert prefix.counts.tolist() == [combos.count(c) for c in expected]
    assert prefix.reach == len(expected)
    assert prefix.rows == len(rows)
    assert prefix.fit_reached == len({codes[:m] for codes, _, fitted in rows if fitted})
    assert prefix.first_index.tolist() == [combos.index(c) for c in expected]
    assert prefix.class_rows == dict(sorted(Counter(c for _, c, _ in rows if c >= 0).items()))


@settings(max_examples=100, deadline=None)
@given(tables, st.integers(1, WIDTH), st.lists(st.tuples(*[st.integers(0, 2)] * WIDTH), max_size=6))
def test_exercised_rows_equal_a_loop(rows, m, suite):
    prefix = counts_of(rows).prefix(m)
    seen = {codes[:m] for codes in suite}
    codes = np.array([c[:m] for c in suite], dtype=np.uint8).reshape(-1, m)
    found = prefix.exercise(codes)
    hits = [(codes[:m] in seen, c) for codes, c, _ in rows]
    assert found.rows == sum(hit for hit, _ in hits)
    assert found.reached == len(seen & {codes[:m] for codes, _, _ in rows})
    assert found.share == prefix.share(codes) == (found.rows / len(rows) if rows else 0.0)
    assert found.classes == {
        c: (sum(hit for hit, own in hits if own == c), sum(own == c for _, own in hits))
        for c in sorted({c for _, c in hits if c >= 0})
    }


def test_missing_lists_the_largest_gap_first_with_its_main_class():
    rows = (
        [((0, 0, 0), 1, True)] * 5
        + [((0, 0, 1), 2, True)] * 4
        + [((0, 0, 1), 0, False)] * 3
        + [((2, 2, 2), -1, True)] * 6
    )
    prefix = counts_of(rows).prefix(3)
    exercised = prefix.exercise(np.array([[0, 0, 0]], dtype=np.uint8))
    assert prefix.missing(exercised, 5) == (
        Missing((0, 0, 1), 7, 2, 4, 5),
        Missing((2, 2, 2), 6, None, 0, 12),
    )
    assert prefix.missing(exercised, 1)[0].rows == 7
