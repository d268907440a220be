from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pytest_deepimportance.statistics.rows import found_in, group_starts, unique_rows

tables = st.lists(st.tuples(st.integers(-1, 2), st.integers(-1, 2)), max_size=20)


def table(rows):
    return np.array(rows, dtype=np.int64).reshape(-1, 2)


@given(tables)
def test_unique_rows_are_the_sorted_set(rows):
    assert [tuple(r) for r in unique_rows(table(rows)).tolist()] == sorted(set(rows))


@given(tables, tables)
def test_found_in_is_membership(rows, others):
    assert found_in(table(rows), table(others)).tolist() == [row in others for row in rows]


@given(tables)
def test_group_starts_are_where_a_new_row_begins(rows):
    expected = [i for i, row in enumerate(rows) if i == 0 or rows[i - 1] != row]
    assert group_starts(table(rows)).tolist() == expected
