"""How many sets are needed at least, against every choice of sets."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.sparse import csr_array

from pytest_deepimportance.statistics import covers


def smallest(table):
    """The fewest lines that cover every column, by trying them all."""
    lines = range(len(table))
    return next(
        size
        for size in range(len(table) + 1)
        for chosen in itertools.combinations(lines, size)
        if table[list(chosen)].any(axis=0).all()
    )


@pytest.mark.parametrize("limit", [0, covers._LARGEST])
def test_no_choice_is_smaller_and_the_number_is_seldom_far_below(monkeypatch, limit):
    monkeypatch.setattr(covers, "_LARGEST", limit)
    generator = np.random.default_rng(1)
    below = []
    for _ in range(150):
        table = generator.random((generator.integers(1, 9), 40)) < generator.uniform(0.05, 0.7)
        table = table[:, table.any(axis=0)]
        found = covers.fewest(csr_array(table))
        below.append(smallest(table) - found)
    assert min(below) >= 0
    assert np.mean(below) < (0.3 if limit else 0.8)


def test_sets_that_alone_hold_an_item_and_nothing_at_all():
    assert covers.fewest(csr_array(np.eye(5, dtype=bool))) == 5
    assert covers.fewest(csr_array(np.ones((3, 4), dtype=bool))) == 1
    assert covers.fewest(csr_array((0, 0), dtype=bool)) == 0
    assert covers.fewest(csr_array((2, 0), dtype=bool)) == 0
    # Each item in two of three sets: two are needed, and half of each set is a fractional cover.
    triangle = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1]], dtype=bool)
    assert covers.fewest(csr_array(triangle)) == 2
