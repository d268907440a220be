"""Small tables of reference rows: (combination, class, fitted)."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from pytest_deepimportance.statistics.combination_counts import CombinationCounts

WIDTH = 3
row = st.tuples(
    st.tuples(*[st.integers(0, 2)] * WIDTH), st.integers(-1, 2), st.booleans()
)  # codes, class, fitted
tables = st.lists(row, max_size=40)


def arrays(rows, indices=None):
    codes = np.array([codes for codes, _, _ in rows], dtype=np.uint8).reshape(-1, WIDTH)
    classes = np.array([c for _, c, _ in rows], dtype=np.int64)
    fitted = np.array([f for _, _, f in rows], dtype=bool)
    return codes, classes, fitted, np.arange(len(rows)) if indices is None else np.array(indices)


def counts_of(rows, indices=None):
    return CombinationCounts.from_rows(*arrays(rows, indices))
