from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pytest_deepimportance.statistics.class_groups import by_class


@given(st.lists(st.integers(-1, 4)))
def test_every_class_comes_once_with_all_its_rows_in_order(classes):
    found = [(c, rows.tolist()) for c, rows in by_class(np.array(classes, dtype=np.int64))]
    assert found == [
        (c, [i for i, own in enumerate(classes) if own == c]) for c in sorted(set(classes))
    ]
